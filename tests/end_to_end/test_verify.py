"""`verify-on-aws --local`: the suite that users run on AWS passes here, and leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalSettings, LocalStack
from infra.packaging import PROJECT
from infra.target import Target
from infra.verification.suite import CHECKS
from tests.end_to_end.actors import run_command

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def own(
    stack_settings: LocalSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """A stack where nobody is enrolled: on the others Grace Hopper is."""
    settings = replace(stack_settings, state=tmp_path_factory.mktemp("verify"), workers=1)
    with LocalStack(settings) as stack:
        yield stack


def belongings(target: Target) -> dict[str, list[Any]]:
    """All that a run makes, by listing."""
    iot, tables = target.client("iot"), target.client("dynamodb")
    found: dict[str, list[Any]] = {
        "things": [each["thingName"] for each in iot.list_things()["things"]],
        "certificates": iot.list_certificates()["certificates"],
    }
    for name in BUCKETS:
        listed = target.client("s3").list_objects_v2(Bucket=target.output(name))
        found[name] = [each["Key"] for each in listed.get("Contents", [])]
    for name in TABLES:
        rows = tables.scan(TableName=target.output(name))["Items"]
        # How often a key was used in a minute: an hour later that is deleted by DynamoDB.
        found[name] = [row for row in rows if "taken" not in row]
    queue = target.client("sqs").get_queue_attributes(
        QueueUrl=target.output("DeadLetterQueueUrl"),
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    found["dead letters"] = [None] * int(queue["Attributes"]["ApproximateNumberOfMessages"])
    return found


BUCKETS = ("MediaBucket", "InputBucket", "StageBucket", "OutputBucket")
TABLES = ("PeopleTable", "FacesTable", "SightingsTable", "VideosTable", "KeysTable")
NOTHING: dict[str, list[Any]] = {
    name: [] for name in ("things", "certificates", *BUCKETS, *TABLES, "dead letters")
}


def test_all_checks_pass_and_nothing_is_left(own: LocalStack, tmp_path: Path) -> None:
    path = tmp_path / "report.md"

    done = run_command(own.settings.state, "verify-on-aws", "--local", "--out", path)

    assert done.status == 0, done.err
    rows = [line.split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")]
    results = {row[0].removeprefix("| "): row[1] for row in rows[1 : len(CHECKS) + 1]}
    # There is no CloudWatch here that would read the function's metrics.
    assert results == dict.fromkeys(CHECKS, "✔ ok") | {"metrics": "– not tried"}
    assert path.read_text() in done.out
    assert "passed" in path.read_text().splitlines()[0]
    assert "| captured → result on the device | " in path.read_text()
    assert "000000000000" not in path.read_text()
    assert belongings(Target.local(own.settings.state)) == NOTHING


def test_a_run_that_is_interrupted_leaves_nothing_either(own: LocalStack, tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    words = ["--state", own.settings.state, "verify-on-aws", "--local", "--out", path]
    process = subprocess.Popen(
        [sys.executable, "-m", "infra", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches all of its processes
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "the agent plays" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        status = process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()

    assert status == 1, rest
    assert "It was interrupted" in path.read_text()
    assert "FAILED" in path.read_text().splitlines()[0]
    assert belongings(Target.local(own.settings.state)) == NOTHING


def test_a_portrait_that_is_enrolled_already_is_told_and_the_rest_not_tried(
    stack: LocalStack, grace: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.md"

    done = run_command(stack.settings.state, "verify-on-aws", "--local", "--out", path)

    assert done.status == 1
    assert f"looks like {grace}, who is enrolled" in done.err
    assert "verify a stack where nobody is enrolled" in done.err
    assert "not tried  answers" in done.err
    assert "The function's log: " in path.read_text()
    assert (
        Target.local(stack.settings.state)
        .client("dynamodb")
        .get_item(TableName=f"{stack.settings.stack}-people", Key={"person_id": {"S": grace}})[
            "Item"
        ]
    )


def test_the_local_stack_and_one_on_aws_cannot_both_be_meant(tmp_path: Path) -> None:
    done = run_command(tmp_path, "--stack", "sightline", "verify-on-aws", "--local")

    assert done.status == 2
    assert "leave out --stack" in done.err


def test_the_cost_is_named_before_anything_is_made_and_nobody_to_ask_is_a_no(
    stack: LocalStack, target: Target, tmp_path: Path
) -> None:
    """MiniStack stands for AWS here: the address and the keys come as any AWS tool takes them."""
    facts = stack.facts
    before = target.client("iot").list_things()["things"]

    done = subprocess.run(
        [sys.executable, "-m", "infra", "--region", facts.region, "verify-on-aws"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(PROJECT),
            "AWS_ENDPOINT_URL": facts.endpoint,
            "AWS_ACCESS_KEY_ID": facts.root_key_id,
            "AWS_SECRET_ACCESS_KEY": facts.root_secret,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    first, last = done.stderr.splitlines()
    assert first.startswith(f"sightline in {facts.region}: ")
    assert "frames, less than" in first
    assert last == "sightline: there is nobody to ask: say ./run verify-on-aws --yes"
    assert done.returncode == 2
    assert target.client("iot").list_things()["things"] == before
