"""The whole stack on this machine: what it needs, keeps, and leaves behind (nothing)."""

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from infra import template
from infra.local import ports
from infra.local.facts import LocalFacts
from infra.local.stack import LocalSettings, LocalStack
from infra.provision import provision
from infra.target import Target
from sightline.errors import ConfigError, TransportError
from tests.listeners import listeners

pytestmark = pytest.mark.stack
PROJECT = Path(__file__).parents[3]
NAMES = list(template.function_names(template.load(), "sightline"))


@pytest.fixture
def own(settings: LocalSettings, tmp_path: Path) -> LocalSettings:
    """Settings of a stack that the test may start and stop."""
    return dataclasses.replace(settings, state=tmp_path / "state")


def until(condition: Callable[[], bool], what: str, *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ports.LOOPBACK, port)) != 0


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that have *text* in them or in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (
                (folder / name).read_bytes().replace(b"\0", b" ").decode(errors="replace")
                for name in ("cmdline", "environ")
            )
        except OSError:
            continue
        if command and text in command + environment and folder.name != str(os.getpid()):
            found.append(f"{folder.name} {command}")
    return found


def files_with(secret: bytes, folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # one that was replaced meanwhile, or a socket
            if path.is_file() and secret in path.read_bytes():
                found.append(path.name)
    return found


def test_a_message_goes_through_rule_queue_and_function_and_back(
    stack: LocalStack, target: Target
) -> None:
    before = stack.lambda_service.stats("sightline-recognize").done

    target.client("iot-data").publish(
        topic="sightline/v1/door/frames", qos=1, payload=b'{"key": "k"}'
    )

    until(
        lambda: stack.lambda_service.stats("sightline-recognize").done == before + 1,
        "the function ran",
    )


def test_what_the_function_gives_up_lies_in_the_dead_letters(
    stack: LocalStack, target: Target
) -> None:
    target.client("iot-data").publish(topic="sightline/v1/door/frames", qos=1, payload=b'"fail"')

    queue = target.output("DeadLetterQueueUrl")
    answer = target.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=15)
    record = json.loads(answer["Messages"][0]["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestPayload"]["topic"] == "sightline/v1/door/frames"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_of_it_listens_beyond_this_machine(stack: LocalStack) -> None:
    pids = {os.getpid(), *stack.facts.pids.values()}

    assert {address for address, _ in listeners(pids)} == {"0100007F"}


def test_the_facts_are_for_their_owner_alone(stack: LocalStack) -> None:
    facts = stack.settings.state / "stack.json"

    assert stat.S_IMODE(facts.stat().st_mode) == 0o600
    assert stack.facts.root_secret not in repr(stack.facts)


def test_functions_are_not_for_who_has_no_address_of_theirs(stack: LocalStack) -> None:
    address = stack.lambda_service.addresses.host_and_port
    before = {name: stack.lambda_service.stats(name) for name in NAMES}

    for name in NAMES:
        for path in (f"2015-03-31/functions/{name}/invocations", f"async/{name}", f"queue/{name}"):
            # As from another account of the machine: all that it can know is the port.
            caller = http.client.HTTPConnection(address, timeout=10)
            caller.request("POST", f"/{path}", b'{"requestContext": {"authorizer": {"iam": {}}}}')
            answer = caller.getresponse()
            assert (answer.status, answer.read()) == (403, b"")
            caller.close()

    assert {name: stack.lambda_service.stats(name) for name in NAMES} == before


def test_the_facts_have_the_endpoint_for_a_lambda_client(stack: LocalStack) -> None:
    facts = LocalFacts.read(stack.settings.state)
    session = boto3.Session(facts.root_key_id, facts.root_secret, region_name=facts.region)
    client = session.client("lambda", endpoint_url=facts.lambda_url)
    event = {"topic": "sightline/v1/door/frames", "payload": "e30="}

    answer = client.invoke(FunctionName="sightline-recognize", Payload=json.dumps(event).encode())

    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer, answer["Payload"].read()
    client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_functions_secret_is_shown_nowhere(own: LocalSettings) -> None:
    said: list[str] = []
    with LocalStack(own, said.append) as stack:
        secret = stack.lambda_service.addresses.secret
        port = stack.lambda_service.addresses.port
        assert f"functions run at 127.0.0.1:{port}, 1 at once" in said
        pids = stack.lambda_service.worker_pids("sightline-recognize")
        pids.append(stack.facts.pids["ministack"])
        commands = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
        workers = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids[:-1])
        kept = files_with(secret.encode(), own.state)

    assert len(pids) > 1
    assert secret not in "".join(said)
    assert secret.encode() not in commands + workers  # no function may invoke another
    assert kept == ["stack.json"]
    assert files_with(secret.encode(), own.state) == []


def test_a_second_one_on_the_same_folder_is_refused(stack: LocalStack) -> None:
    with pytest.raises(ConfigError, match=rf"already running here \(pid {os.getpid()}\)"):
        LocalStack(stack.settings).start()

    assert stack.facts.outputs  # and the first one goes on
    assert Target.local(stack.settings.state).outputs


@pytest.mark.parametrize("which", ["gateway", "mqtt", "credentials", "lambda"])
def test_a_port_in_use_is_named_with_its_option(own: LocalSettings, which: str) -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        changed = dataclasses.replace(own, **{f"{which}_port": port})

        with pytest.raises(ConfigError, match=rf"port {port} .*--{which}-port"):
            LocalStack(changed).start()


def test_a_missing_ministack_is_said_with_its_mend(own: LocalSettings) -> None:
    missing = dataclasses.replace(own, ministack_python=Path("/nowhere/python"))

    with pytest.raises(ConfigError, match=r"/nowhere/python.*\./run"):
        LocalStack(missing).start()


def test_an_interpreter_without_ministack_is_said(own: LocalSettings) -> None:
    bare = dataclasses.replace(own, ministack_python=Path(sys.executable))

    with pytest.raises(ConfigError, match="No module named 'ministack'"):
        LocalStack(bare).start()


def test_no_stack_no_target(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no stack is running .*\./run up"):
        Target.local(tmp_path)
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"cannot read .*stack\.json"):
        Target.local(tmp_path)


def test_a_stop_leaves_nothing_running(own: LocalSettings) -> None:
    with LocalStack(own) as stack:
        facts = stack.facts
        assert len(processes_with(str(own.state))) >= 2  # MiniStack and a worker
    used = [
        facts.mqtt_port,
        *(urlsplit(url).port or 0 for url in (facts.endpoint, facts.lambda_url)),
    ]

    assert processes_with(str(own.state)) == []
    assert all(map(is_free, used))
    with pytest.raises(ConfigError, match="no stack is running"):
        Target.local(own.state)
    with pytest.raises(ConfigError, match="not running"):
        _ = stack.facts


def test_a_second_start_finds_people_pictures_and_certificates(
    own: LocalSettings, tmp_path: Path
) -> None:
    item = {"person_id": {"S": "ada"}}
    with LocalStack(own):
        target = Target.local(own.state)
        target.client("dynamodb").put_item(TableName=target.output("PeopleTable"), Item=item)
        target.client("s3").put_object(
            Bucket=target.output("MediaBucket"), Key="frames/door/1", Body=b"x"
        )
        made = provision("door", target=target, folder=tmp_path / "door", say=lambda _: None)
        ca = (made.folder / "ca.pem").read_text()
    said: list[str] = []

    with LocalStack(own, said.append):
        target = Target.local(own.state)
        assert target.client("dynamodb").scan(TableName=target.output("PeopleTable"))["Items"] == [
            item
        ]
        frame = target.client("s3").get_object(
            Bucket=target.output("MediaBucket"), Key="frames/door/1"
        )
        assert frame["Body"].read() == b"x"
        found = target.client("iot").describe_certificate(certificateId=made.certificate_id)
        assert found["certificateDescription"]["status"] == "ACTIVE"
        assert target.endpoints().ca_pem == ca
    assert "stack sightline is up to date" in said


def test_a_ministack_that_ends_by_itself_is_noticed(own: LocalSettings) -> None:
    with LocalStack(own) as stack:
        stack.check()
        os.kill(stack.facts.pids["ministack"], signal.SIGKILL)

        def is_noticed() -> bool:
            try:
                stack.check()
            except TransportError as error:
                return "MiniStack has ended by itself" in str(error)
            return False

        until(is_noticed, "the end is noticed")


STARTER = """
import sys, signal, threading
from pathlib import Path
from infra.local.stack import LocalSettings, LocalStack

state, ministack, code = map(Path, sys.argv[1:])
settings = LocalSettings(state=state, ministack_python=ministack, engine_folder=code,
    gateway_port=0, mqtt_port=0, credentials_port=0, lambda_port=0, http_port=0, workers=1,
    code_root=code)
with LocalStack(settings):
    print("up", flush=True)
    threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_kill_of_it_leaves_nothing_running_and_little_lost(own: LocalSettings) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            STARTER,
            str(own.state),
            str(own.ministack_python),
            str(own.code_root),
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        target = Target.local(own.state)
        target.client("dynamodb").put_item(
            TableName=target.output("PeopleTable"), Item={"person_id": {"S": "ada"}}
        )
        process.send_signal(signal.SIGKILL)

    until(lambda: not processes_with(str(own.state)), "its processes are gone", seconds=15)
    with pytest.raises(ConfigError, match="has died"):
        Target.local(own.state)
    with LocalStack(own):
        again = Target.local(own.state)
        table = again.output("PeopleTable")
        assert again.client("dynamodb").scan(TableName=table)["Count"] == 1
