"""What breaks, and what comes of it: nothing acknowledged is lost, nothing counts twice."""

import dataclasses
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cloud.enrolment import Photo
from infra.enrolling import open_people
from infra.local.ports import free_port
from infra.local.stack import LocalSettings, LocalStack
from infra.provision import provision
from infra.target import Target
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected
from tests.end_to_end.actors import Agent, Device, Operator, eventually, new_key, run_command

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]
Store = Callable[[str, bytes], None]
DATA = Path(__file__).parents[1] / "data"
PORTRAIT = (DATA / "grace-hopper.jpg").read_bytes()


def send(operator: Operator, store: Store, thing: str, count: int) -> list[str]:
    """Store a picture under *count* keys and send a reference to each; their frame ids."""
    keys = [new_key(thing) for _ in range(count)]
    for key in keys:
        store(key, PORTRAIT)
    for key in keys:
        operator.send(thing, FrameCaptured(key=key))
    return [Path(key).stem for key in keys]


def answered_once(operator: Operator, frame_ids: list[str]) -> list[FrameRecognized]:
    """Wait for the result of each frame; that none came twice as a new one."""
    found = []
    for frame_id in frame_ids:
        answers = operator.answers(frame_id)
        assert all(isinstance(each, FrameRecognized) for each in answers), answers
        new = [each for each in answers if isinstance(each, FrameRecognized) and not each.repeat]
        assert len(new) == 1
        found += new
    return found


def test_a_burst_is_answered_whole_by_no_more_workers_than_there_are(
    stack: LocalStack,
    target: Target,
    device: MakeDevice,
    operator: Operator,
    store: Store,
    grace: str,
) -> None:
    function = target.output("RecognizeFunction")
    before = stack.lambda_service.stats(function)

    frame_ids = send(operator, store, device().thing, 50)

    for result in answered_once(operator, frame_ids):
        assert [face.person and face.person.id for face in result.faces] == [grace]
    after = stack.lambda_service.stats(function)
    assert after.peak_running <= stack.settings.workers
    assert (after.dead, after.throttled) == (before.dead, before.throttled)


def test_a_worker_that_is_killed_in_the_middle_of_a_frame_costs_no_frame(
    stack: LocalStack,
    target: Target,
    device: MakeDevice,
    operator: Operator,
    store: Store,
    grace: str,
    settled: Callable[[], None],
) -> None:
    function, service = target.output("RecognizeFunction"), stack.lambda_service
    settled()
    before = service.stats(function)
    frame_ids = send(operator, store, device().thing, 8)

    victims = _busy_workers(stack, function)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)

    for result in answered_once(operator, frame_ids):
        assert [face.person and face.person.id for face in result.faces] == [grace]
    after = service.stats(function)
    assert after.failed > before.failed  # it did hit somebody at work
    assert after.retried > before.retried
    assert after.dead == before.dead
    assert not set(victims) & set(service.worker_pids(function))


def _busy_workers(stack: LocalStack, function: str) -> list[int]:
    """Wait until every worker is at work; their processes."""
    service = stack.lambda_service
    eventually("busy workers", lambda: service.stats(function).running == stack.settings.workers)
    return service.worker_pids(function)


@contextmanager
def frames_out_of_reach(target: Target) -> Iterator[None]:
    """Forbid the function to read frames, as a wrong deployment would."""
    name = target.output("RecognizeFunction")
    role = target.client("lambda").get_function(FunctionName=name)["Configuration"]["Role"]
    iam, role_name = target.client("iam"), role.rpartition("/")[2]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{target.output('MediaBucket')}/*",
            }
        ],
    }
    iam.put_role_policy(
        RoleName=role_name, PolicyName="mistake", PolicyDocument=json.dumps(document)
    )
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role_name, PolicyName="mistake")


def test_what_fails_each_time_is_said_and_lies_in_the_dead_letters_to_be_sent_again(
    stack: LocalStack,
    target: Target,
    device: MakeDevice,
    operator: Operator,
    store: Store,
    grace: str,
) -> None:
    made, function = device(), target.output("RecognizeFunction")
    dead = stack.lambda_service.stats(function).dead
    with frames_out_of_reach(target):
        (frame_id,) = send(operator, store, made.thing, 1)
        eventually("dead letter", lambda: stack.lambda_service.stats(function).dead > dead)
        letter = _letter(target, made.thing)

    assert letter["version"] == "1.0"
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert letter["requestContext"]["functionArn"].endswith(f"function:{function}:$LATEST")
    assert letter["requestContext"]["requestId"]
    assert letter["responseContext"]["statusCode"] == 200
    assert letter["responseContext"]["functionError"] == "Unhandled"
    assert "AccessDenied" in letter["responsePayload"]["errorMessage"]
    assert "Z" in letter["timestamp"]
    assert set(letter["requestPayload"]) == {"payload", "topic", "client", "received_ms"}
    assert all(each.reason == "internal" for each in _rejections(operator, frame_id))
    # The mistake is mended; somebody sends the letter round again.
    sent = run_command(stack.settings.state, "redrive", "--yes")
    assert sent.status == 0, sent.err
    assert "RetriesExhausted" in sent.err
    assert "sent round again; answers come on each device's results" in sent.err
    answers = eventually(
        "result",
        lambda: [
            each
            for each in operator.answers(frame_id, count=0)
            if isinstance(each, FrameRecognized)
        ],
    )
    assert [face.person and face.person.id for face in answers[0].faces] == [grace]


def _rejections(operator: Operator, frame_id: str) -> list[FrameRejected]:
    answers = operator.answers(frame_id, count=0)
    return [each for each in answers if isinstance(each, FrameRejected)]


def _letter(target: Target, thing: str) -> dict[str, Any]:
    """Read the dead letter about a device's frame; it stays in the queue."""
    sqs, queue = target.client("sqs"), target.output("DeadLetterQueueUrl")
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        found = sqs.receive_message(
            QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        for message in found.get("Messages", []):
            letter: dict[str, Any] = json.loads(message["Body"])
            if f"/{thing}/" in letter["requestPayload"]["topic"]:
                return letter
    raise AssertionError(f"no dead letter about {thing}")


class Cable:
    """The network between a device and the broker: it can be pulled, and put back."""

    def __init__(self, port: int) -> None:
        """Lead to *port*."""
        self._to = ("127.0.0.1", port)
        self.port = free_port()
        self._server: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def plug(self) -> None:
        """Let connections through."""
        server = socket.create_server(("127.0.0.1", self.port))
        self._server = server
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def pull(self) -> None:
        """Break all connections off, and let none in."""
        if self._server is not None:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            with self._lock:
                self._open += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=ends, daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def quick(device: Device) -> None:
    """Take frames often, and send one again soon when nobody answers."""
    device.configure("interval_s = 0.5", "interval_s = 0.25")
    device.configure(
        "[results]",
        "[uplink]\nanswer_timeout_s = 3\nattempts = 10\nstop_timeout_s = 30\n\n[results]",
    )


def results(agent: Agent) -> list[dict[str, Any]]:
    """What an agent with `--json` printed so far, less its summary."""
    return [each for each in map(json.loads, agent.lines) if each["kind"] != "summary"]


def stopped_with_nothing_lost(agent: Agent) -> None:
    """Stop an agent; all it ever captured has been answered, nothing twice as new."""
    agent.signal(signal.SIGTERM)
    assert agent.wait(deadline_s=90) == 0, agent.log
    summary = json.loads(agent.lines[-1])
    assert summary["kind"] == "summary"
    assert not [e["result"] for e in results(agent) if e["kind"] == "rejected"]
    assert (summary["unanswered"], summary["dropped"], summary["rejected"]) == (0, 0, 0), agent.log
    assert summary["answered"] == summary["captured"]
    new = [each["frame_id"] for each in results(agent) if each["new"]]
    assert len(new) == len(set(new)) == summary["captured"]
    assert "Traceback" not in agent.log


def test_a_cable_that_is_pulled_and_put_back_costs_no_frame(
    target: Target, device: MakeDevice, start_agent: StartAgent, grace: str
) -> None:
    made = device()
    quick(made)
    port = target.endpoints().mqtt_port
    cable = Cable(port)
    made.configure(f"port = {port}", f"port = {cable.port}")
    cable.plug()
    try:
        agent = start_agent(made, "--camera", DATA, "--loop", "--json")
        agent.wait_for_lines(3)

        cable.pull()
        eventually("word of the loss", lambda: "trying again" in agent.log)
        alone = len(agent.lines)
        eventually(
            "frames taken meanwhile", lambda: "could not publish" in agent.log, deadline_s=20
        )
        cable.plug()

        agent.wait_for_lines(alone + 6)
        assert "connected to" in agent.log
        stopped_with_nothing_lost(agent)
    finally:
        cable.pull()


@pytest.fixture
def own_settings(stack_settings: LocalSettings, tmp_path: Path) -> LocalSettings:
    """Settings of a stack that the test may stop, and start again at the same ports."""
    return dataclasses.replace(
        stack_settings,
        state=tmp_path / "state",
        gateway_port=free_port(),
        mqtt_port=free_port(),
        credentials_port=free_port(),
        lambda_port=free_port(),
        http_port=free_port(),
    )


def test_a_stack_that_is_stopped_and_started_again_is_found_by_its_devices(
    own_settings: LocalSettings, start_agent: StartAgent, tmp_path: Path
) -> None:
    with ExitStack() as resources:
        first = resources.enter_context(LocalStack(own_settings))
        target = Target.local(own_settings.state)
        photo = Photo(name="grace-hopper.jpg", data=PORTRAIT)
        open_people(target, examine=True).add("Grace Hopper", [photo], record={"rank": "RADM"})
        made = provision("door", target=target, folder=tmp_path / "door", say=lambda _: None)
        device = Device(thing="door", folder=made.folder, settings=made.settings)
        quick(device)
        agent = start_agent(device, "--camera", DATA, "--loop", "--json")
        agent.wait_for_lines(4)

        first.stop()
        eventually("word of the loss", lambda: "trying again" in agent.log)
        before = len(agent.lines)
        resources.enter_context(LocalStack(own_settings))

        agent.wait_for_lines(before + 6)
        stopped_with_nothing_lost(agent)
        people = open_people(Target.local(own_settings.state)).all()

    assert [(entry.person.name, len(entry.faces)) for entry in people] == [("Grace Hopper", 1)]
    found = [face for each in results(agent) for face in each["result"]["faces"]]
    known = [face["person"]["id"] for face in found if face["decision"] == "known"]
    assert set(known) == {"grace-hopper"}
    assert len(known) >= 4
