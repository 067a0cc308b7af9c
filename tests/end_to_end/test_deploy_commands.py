"""`deploy`, `status`, `redrive`, `cost` and `destroy` as their users have them, on MiniStack.

The commands reach it as they reach AWS: by the environment, `AWS_ENDPOINT_URL` among it.
"""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.account import AccessKey, Account
from infra.deploy import exists
from infra.local.ministack.server import (
    REGION,
    MiniStackServer,
    RootKey,
    ServerSettings,
    ministack_python,
)
from infra.local.ports import free_port
from infra.local.stack import LEFT_OUT, LocalStack
from infra.packaging import PROJECT
from tests.end_to_end.actors import DEADLINE_S, Finished, run_command

pytestmark = pytest.mark.stack
LEAVE_OUT = [
    word for type_, name in LEFT_OUT.items() for word in ("--leave-out", f"{type_}={name}")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Somebody's shell, signed in to an account."""

    account: Account
    environment: dict[str, str]

    def command(self, stack: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "infra", "--stack", stack, *words]

    def run(self, stack: str, *words: str, **environment: str) -> Finished:
        done = subprocess.run(
            self.command(stack, *words),
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Finished(status=done.returncode, out=done.stdout, err=done.stderr)

    def deploy(self, stack: str, *words: str) -> Finished:
        return self.run(
            stack, "deploy", "--yes", "--parameter", "PackageType=Zip", *LEAVE_OUT, *words
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    python = ministack_python()
    if not python.exists():
        pytest.skip(f"MiniStack is not installed at {python}; ./run test does it")
    root = RootKey(key_id="AKIATESTTESTTESTTEST", secret="of-the-tests")
    settings = ServerSettings(
        python=python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=root,
    )
    with MiniStackServer(settings) as server:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": root.key_id,
            "AWS_SECRET_ACCESS_KEY": root.secret,
            "AWS_REGION": REGION,
            "PYTHONPATH": str(PROJECT),
            "SIGHTLINE_STATE": str(tmp_path_factory.mktemp("state")),
            "TERM": "xterm",
            "COLUMNS": "120",
        }
        key = AccessKey(key_id=root.key_id, secret=root.secret)
        account = Account(region=REGION, key=key, endpoint=server.url)
        yield Shell(account=account, environment=environment)


def typed(shell: Shell, stack: str, words: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """Run a command on a terminal, and type an answer once its question is seen."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        shell.command(stack, *words), env=shell.environment, stdin=there, stdout=there, stderr=there
    )
    os.close(there)
    seen, left = "", dict(answers)
    try:
        while select.select([here], [], [], DEADLINE_S)[0]:
            try:
                data = os.read(here, 65536)
            except OSError:  # how Linux says that the other side is gone
                break
            if not data:
                break
            seen += data.decode(errors="replace")
            for question in [each for each in left if each in seen]:
                os.write(here, (left.pop(question) + "\n").encode())
        return process.wait(DEADLINE_S), seen
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(here)


def test_up_again_and_down_with_nothing_left(shell: Shell) -> None:
    first = shell.deploy("one")
    again = shell.deploy("one")
    shown = shell.run("one", "status")
    plain = shell.run("one", "status", "--json")
    gone = shell.run("one", "destroy", "--everything", "--yes")
    once_more = shell.run("one", "destroy", "--everything", "--yes")

    assert first.status == 0, first.err
    assert json.loads(first.out)["PeopleTable"] == "one-people"
    assert "ok    credentials: account 000000000000, as arn:aws:iam::000000000000:root" in first.err
    assert " s  CREATE_COMPLETE  Recognize (AWS::Lambda::Function)" in first.err
    assert f"next:  ./run --stack one --region {REGION} provision front-door" in first.err
    assert (again.status, "stack one is up to date" in again.err) == (0, True)
    assert shown.status == 0
    for part in ("one in us-east-1: CREATE_COMPLETE", "one-recognize", "none of "):
        assert part in shown.out
    assert json.loads(plain.out)["dead_letters"] == {"count": 0, "in_flight": 0, "oldest_s": None}
    assert gone.status == 0, gone.err
    assert "deleted the table one-people" in gone.err
    assert once_more.status == 0
    assert "nothing left to delete" in once_more.err
    assert not exists(shell.account, "one")


@pytest.mark.parametrize(
    "words", [("deploy",), ("destroy",), ("destroy", "--everything"), ("redrive",)]
)
def test_without_a_terminal_and_without_yes_nothing_is_done(
    shell: Shell, words: tuple[str, ...]
) -> None:
    ended = shell.run("unasked", *words)

    assert ended.status == 2
    assert ended.err == f"sightline: there is nobody to ask: say ./run {words[0]} --yes\n"
    assert not exists(shell.account, "unasked")


def test_on_a_terminal_the_changes_are_shown_and_asked_about(shell: Shell) -> None:
    words = ["deploy", "--parameter", "PackageType=Zip", *LEAVE_OUT]
    status, seen = typed(shell, "asked", words, {"changes to asked": "n"})
    assert status == 1
    assert "PeopleTable" in seen
    assert "nothing was deployed" in seen
    assert not exists(shell.account, "asked")

    status, seen = typed(shell, "asked", words, {"changes to asked": "y"})
    assert status == 0, seen
    assert "CREATE_COMPLETE" in seen

    status, seen = typed(shell, "asked", ["destroy", "--everything"], {"Type asked": "no"})
    assert status == 1
    assert "the table asked-people" in seen
    assert "nothing was deleted" in seen
    assert exists(shell.account, "asked")

    status, seen = typed(shell, "asked", ["destroy", "--everything"], {"Type asked": "asked"})
    assert status == 0, seen
    assert not exists(shell.account, "asked")


def test_ctrl_c_and_the_same_again_comes_to_the_end(shell: Shell) -> None:
    words = ["deploy", "--yes", "--parameter", "PackageType=Zip", *LEAVE_OUT]
    process = subprocess.Popen(
        shell.command("cut", *words),
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "CREATE_IN_PROGRESS" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=DEADLINE_S)
    # It may have been done by then: MiniStack is quick.
    assert process.returncode in (0, 130), rest
    if process.returncode == 130:
        assert "the deployment goes on at AWS; run deploy again to follow it" in rest
    assert "Traceback" not in rest

    again = shell.deploy("cut")

    assert again.status == 0, again.err
    assert shell.run("cut", "destroy", "--everything", "--yes").status == 0


@pytest.mark.parametrize("moment", ["credentials:", "uploaded the code"])
def test_ctrl_c_before_anything_is_made_leaves_nothing_in_the_way(
    shell: Shell, moment: str
) -> None:
    words = ["deploy", "--yes", "--parameter", "PackageType=Zip", *LEAVE_OUT]
    process = subprocess.Popen(
        shell.command("early", *words),
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if moment in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert rest.splitlines()[-1] in (
        "stopped; run deploy again to go on",
        "the deployment goes on at AWS; run deploy again to follow it",
    )
    assert shell.deploy("early").status == 0
    assert shell.run("early", "destroy", "--everything", "--yes").status == 0


def test_a_template_parameter_out_of_range_is_said_before_anything_is_made(shell: Shell) -> None:
    ended = shell.deploy("range", "--parameter", "FrameDays=0")

    assert ended.status == 2
    assert ended.err.splitlines()[-1] == (
        "sightline: nothing was deployed; parameter: FrameDays=0: it may be 1 to 3650"
    )
    assert not exists(shell.account, "range")


def test_no_credentials_and_no_region_are_said_with_their_mend(shell: Shell) -> None:
    bare = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    nobody = shell.run("s1", "deploy", "--yes", **bare)
    nowhere = shell.run("s1", "deploy", "--yes", **bare, AWS_REGION="")
    wrong = shell.run("s1", "deploy", "--yes", AWS_REGION="us-west-1x")

    assert nobody.status == nowhere.status == wrong.status == 2
    assert "Unable to locate credentials; sign in with" in nobody.err.splitlines()[-1]
    assert nowhere.err == ("sightline: no AWS region; give one with --region, or set AWS_REGION\n")
    assert "no region 'us-west-1x'; give one with --region" in wrong.err.splitlines()[-1]


def test_docker_that_is_missing_is_found_before_anything_is_made(
    shell: Shell, tmp_path: Path
) -> None:
    ended = shell.run("nodocker", "deploy", "--yes", *LEAVE_OUT, PATH=str(tmp_path))

    assert ended.status == 2
    last = ended.err.splitlines()[-1]
    assert last.startswith("sightline: nothing was deployed; docker: docker is not installed")
    assert "--image-uri and --video-image-uri" in last
    assert not exists(shell.account, "nodocker")


def test_images_that_are_given_need_no_docker(shell: Shell, tmp_path: Path) -> None:
    registry = f"000000000000.dkr.ecr.{REGION}.amazonaws.com"
    given = ("--image-uri", f"{registry}/x@sha256:{64 * 'a'}")
    given += ("--video-image-uri", f"{registry}/x@sha256:{64 * 'b'}")

    ended = shell.run("given", "deploy", "--yes", *given, *LEAVE_OUT, PATH=str(tmp_path))

    assert ended.status == 0, ended.err
    function = shell.account.client("lambda").get_function(FunctionName="given-recognize")
    assert function["Configuration"]["PackageType"] == "Image"
    assert "docker" not in ended.err
    kept = shell.run(
        "given", "deploy", "--yes", "--keep-image", "--parameter", "FrameDays=3", *LEAVE_OUT
    )
    assert kept.status == 0, kept.err
    assert shell.run("given", "destroy", "--everything", "--yes").status == 0


def test_dead_letters_go_round_again(shell: Shell) -> None:
    outputs = json.loads(shell.deploy("letters").out)
    function = outputs["RecognizeFunction"]
    arn = f"arn:aws:lambda:{REGION}:000000000000:function:{function}:$LATEST"
    record = {
        "requestContext": {"functionArn": arn, "condition": "EventAgeExceeded"},
        "requestPayload": {"payload": "e30=", "topic": "sightline/v1/door/frames"},
    }
    sqs, url = shell.account.client("sqs"), outputs["DeadLetterQueueUrl"]
    for body in (json.dumps(record), "strange"):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    status = shell.run("letters", "status")
    first = shell.run("letters", "redrive", "--yes")
    second = shell.run("letters", "redrive", "--yes")

    assert "2, the oldest" in status.out
    assert first.status == 0, first.err
    assert "     1  EventAgeExceeded" in first.err
    assert "it is not JSON" in first.err
    assert "1 sent round again; answers come on each device's results" in first.err
    assert "there are no dead letters to send round again" in second.err
    assert shell.run("letters", "destroy", "--everything", "--yes").status == 0


def test_the_cost_comes_from_the_deployed_configuration(shell: Shell) -> None:
    shell.deploy("costly", "--parameter", "MemoryMb=4096")

    deployed = shell.run("costly", "cost", "--devices", "4", "--fps", "2", "--gate", "0.03")
    plain = shell.run("costly", "cost", "--devices", "4", "--json")
    missing = shell.run("nowhere", "cost")

    assert deployed.status == 0, deployed.err
    assert "configuration: as deployed" in deployed.out
    assert "4096 MB" in deployed.out
    assert "prices of 20" in deployed.out
    assert json.loads(plain.out)["services"]["Lambda"] > 0
    assert missing.status == 2
    assert "there is no stack nowhere" in missing.err
    assert shell.run("costly", "destroy", "--everything", "--yes").status == 0


def test_the_local_stack_is_shown_too(stack: LocalStack) -> None:
    shown = run_command(stack.settings.state, "status")

    assert shown.status == 0, shown.err
    assert "sightline in us-east-1: CREATE_COMPLETE" in shown.out


def test_a_local_stack_that_runs_is_not_destroyed(stack: LocalStack) -> None:
    ended = run_command(stack.settings.state, "destroy", "--local", "--yes")

    assert ended.status == 2
    assert "a stack is already running here" in ended.err


@pytest.fixture
def stopped(tmp_path: Path) -> Callable[[], Path]:
    """A state folder as a stack leaves it that has stopped."""

    def make() -> Path:
        state = tmp_path / "state"
        (state / "ministack").mkdir(parents=True)
        for name in ("root.json", "lock", "ca.pem", "gallery.dlib"):
            (state / name).write_text("{}")
        return state

    return make


def test_the_local_stack_goes_with_all_it_kept(stopped: Callable[[], Path]) -> None:
    state = stopped()

    ended = run_command(state, "destroy", "--local", "--yes")

    assert ended.status == 0, ended.err
    assert not state.exists()
    again = run_command(state, "destroy", "--local", "--yes")
    assert (again.status, "nothing left to delete" in again.err) == (0, True)


def test_what_no_stack_made_stays_in_the_folder(stopped: Callable[[], Path]) -> None:
    state = stopped()
    (state / "reference").mkdir()

    ended = run_command(state, "destroy", "--local", "--yes")

    assert ended.status == 0, ended.err
    assert "kept, since no stack made it: reference" in ended.err
    assert sorted(path.name for path in state.iterdir()) == ["lock", "reference"]
