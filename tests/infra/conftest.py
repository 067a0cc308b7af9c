"""A stack on this machine, with a stub for the function's code."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.account import AccessKey, Account
from infra.deploy import Deployment
from infra.local.ministack.server import REGION, MiniStackServer, RootKey, ServerSettings
from infra.local.ports import free_port
from infra.local.stack import LEFT_OUT, LocalSettings, LocalStack
from infra.target import Target

PROJECT = Path(__file__).parents[2]

# Answers with the payload it got: what the recognition itself does is tested elsewhere.
HANDLER = """
import base64, json, boto3

iot = boto3.client("iot-data")

def handler(event, context):
    device = event["topic"].split("/")[2]
    payload = base64.b64decode(event["payload"])
    if payload == b'"fail"':
        raise RuntimeError("as told")
    answer = json.dumps({"got": payload.decode(), "client": event.get("client")})
    iot.publish(topic=f"sightline/v1/{device}/results", qos=1, payload=answer)
"""


@pytest.fixture(scope="session")
def ministack_python() -> Path:
    given = os.environ.get("SIGHTLINE_MINISTACK_PYTHON")
    python = Path(given) if given else PROJECT / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"MiniStack is not installed at {python}; ./run test does it")
    return python


@pytest.fixture(scope="session")
def code_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("code")
    for folder in ("cloud", "sightline"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").touch()
    (root / "cloud" / "recognize.py").write_text(HANDLER)
    (root / "cloud" / "sweep_videos.py").write_text("def handler(event, context): pass\n")
    return root


@pytest.fixture(scope="session")
def settings(
    ministack_python: Path, code_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> LocalSettings:
    return LocalSettings(
        state=tmp_path_factory.mktemp("state"),
        ministack_python=ministack_python,
        engine_folder=code_root,
        gateway_port=0,
        mqtt_port=0,
        credentials_port=0,
        lambda_port=0,
        http_port=0,
        workers=1,
        code_root=code_root,
    )


@pytest.fixture(scope="session")
def stack(settings: LocalSettings) -> Iterator[LocalStack]:
    """One stack that all tests share: none may stop it, or mind what others left in it."""
    with LocalStack(settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def target(stack: LocalStack) -> Target:
    return Target.local(stack.settings.state)


@pytest.fixture(scope="session")
def account(ministack_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account with nothing in it but what tests deploy, each under names of its own."""
    root = RootKey(key_id="AKIATESTTESTTESTTEST", secret="of-the-tests")
    settings = ServerSettings(
        python=ministack_python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=root,
    )
    key = AccessKey(key_id=root.key_id, secret=root.secret)
    with MiniStackServer(settings) as server:
        yield Account(region=REGION, key=key, endpoint=server.url)


@pytest.fixture
def deployment(code_root: Path, tmp_path: Path) -> Callable[..., Deployment]:
    """Makes a deployment of a copy of the code, under a name of the test's own."""
    root = tmp_path / "code"
    shutil.copytree(code_root, root)

    def make(stack: str, **parameters: str) -> Deployment:
        return Deployment(stack=stack, parameters=parameters, left_out=LEFT_OUT, code_root=root)

    return make
