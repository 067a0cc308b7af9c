"""A stack on this machine, with a stub for the function's code."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import LocalSettings, LocalStack
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
