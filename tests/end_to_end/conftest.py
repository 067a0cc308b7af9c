"""One stack with all its real parts, for the whole session, and those who take part."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from cloud.enrolment import Photo
from infra.demo.rehearsal import RECORD
from infra.enrolling import open_people
from infra.local.ministack.server import ministack_python
from infra.local.stack import LocalSettings, LocalStack
from infra.operating.operator_client import OperatorClient
from infra.provision import provision
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.faces.engines import prepare_engine
from sightline.messages import Face, FrameCaptured
from tests.end_to_end import pictures
from tests.end_to_end.actors import DATA, Agent, Device, Operator, eventually, new_key


@pytest.fixture(scope="session")
def stack_settings(tmp_path_factory: pytest.TempPathFactory) -> LocalSettings:
    """Settings for a stack on free ports, in a folder of its own."""
    python = ministack_python()
    if not python.exists():
        pytest.skip(f"MiniStack is not installed at {python}; ./run test does it")
    return LocalSettings(
        state=tmp_path_factory.mktemp("stack"),
        ministack_python=python,
        engine_folder=prepare_engine().parent,
        gateway_port=0,
        mqtt_port=0,
        credentials_port=0,
        lambda_port=0,
        http_port=0,
        workers=2,
    )


@pytest.fixture(scope="session")
def stack(stack_settings: LocalSettings) -> Iterator[LocalStack]:
    """One stack that all tests share: none may stop it, or mind what others left in it."""
    with LocalStack(stack_settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def target(stack: LocalStack) -> Target:
    return Target.local(stack.settings.state)


@pytest.fixture(scope="session")
def grace(target: Target) -> str:
    """Grace Hopper, enrolled from one portrait; her id. Eileen Collins is nobody enrolled."""
    photo = Photo(name="grace-hopper.jpg", data=(DATA / "grace-hopper.jpg").read_bytes())
    added = open_people(target, examine=True).add("Grace Hopper", [photo], record=RECORD)
    assert added.person is not None, added.outcomes
    return added.person.id


@pytest.fixture
def operator(target: Target, stack: LocalStack) -> Iterator[Operator]:
    """An operator's own connection (paho), which sees all results and errors."""
    folder = stack.settings.state / "operator"
    with OperatorClient(broker_of(target, folder, lambda _: None)) as client:
        operator = Operator(client)
        with operator.watching():
            yield operator


@pytest.fixture
def device(target: Target, tmp_path: Path) -> Callable[..., Device]:
    """Provision a device: `device()` under a name that no other test uses, or `device(thing)`."""

    def make(name: str | None = None) -> Device:
        thing = name or f"camera-{uuid4().hex[:8]}"
        made = provision(thing, target=target, folder=tmp_path / thing, say=lambda _: None)
        return Device(thing=thing, folder=made.folder, settings=made.settings)

    return make


@pytest.fixture
def start_agent() -> Iterator[Callable[..., Agent]]:
    """Start an agent: `start_agent(device, "--camera", folder)`; none outlives the test."""
    with ExitStack() as resources:

        def start(device: Device, *options: str | Path) -> Agent:
            agent = Agent(device, *options)
            resources.callback(agent.close)
            return agent

        yield start


@pytest.fixture
def store(target: Target) -> Callable[[str, bytes], None]:
    """Store a frame, as a device would: `store(key, data)`."""
    s3, bucket = target.client("s3"), target.output("MediaBucket")

    def put(key: str, data: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=data)

    return put


@pytest.fixture
def thing() -> str:
    """A device's name that no other test uses; an operator may speak for one that is not there."""
    return f"camera-{uuid4().hex[:8]}"


@pytest.fixture
def settled(stack: LocalStack, target: Target) -> Callable[[], None]:
    """Wait until the function has nothing to do, and nothing to try again."""
    name = target.output("RecognizeFunction")

    def wait() -> None:
        def idle() -> bool:
            stats = stack.lambda_service.stats(name)
            return not stats.queued and not stats.running

        eventually("idle function", idle)

    return wait


@pytest.fixture
def see(
    operator: Operator, store: Callable[[str, bytes], None], thing: str
) -> Callable[..., list[Face]]:
    """Send a frame, and give the faces that come back: `see(picture)`."""

    def send(picture: Image.Image) -> list[Face]:
        captured = FrameCaptured(key=new_key(thing))
        store(captured.key, pictures.jpeg(picture))
        operator.send(thing, captured)
        return list(operator.recognized(captured.frame_id).faces)

    return send
