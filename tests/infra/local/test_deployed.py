"""Functions as they were deployed, read back."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.account import AccessKey, Account
from infra.deploy import Deployment, deploy
from infra.local.deployed import Surroundings, functions
from infra.local.lambda_service import Function
from infra.local.ministack.server import REGION, MiniStackServer, RootKey, ServerSettings
from infra.local.ports import free_port
from infra.local.stack import LEFT_OUT

pytestmark = pytest.mark.stack
ROOT = RootKey(key_id="AKIATESTTESTTESTTEST", secret="of-the-tests")
PARAMETERS = {
    "TimeoutSeconds": "20",
    "MemoryMb": "1024",
    "MaxFrameAgeSeconds": "61",
}


@pytest.fixture(scope="module")
def account(
    ministack_python: Path, code_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    settings = ServerSettings(
        python=ministack_python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=ROOT,
    )
    with MiniStackServer(settings) as server:
        key = AccessKey(key_id=ROOT.key_id, secret=ROOT.secret)
        account = Account(region=REGION, key=key, endpoint=server.url)
        deployment = Deployment(parameters=PARAMETERS, left_out=LEFT_OUT, code_root=code_root)
        deploy(account, deployment, lambda _: None)
        yield account


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(
        code_folder=tmp_path,
        python=Path(sys.executable),
        environment={"SIGHTLINE_MODELS": "/here", "AWS_REGION": REGION},
        workers=8,
    )


def deployed(
    account: Account, surroundings: Surroundings, name: str = "sightline-recognize"
) -> Function:
    """Give one of the stack's functions."""
    found = {each.name: each for each in functions(account, "sightline", surroundings)}
    return found[name]


def test_what_runs_is_what_was_deployed(account: Account, surroundings: Surroundings) -> None:
    function = deployed(account, surroundings)

    assert function.name == "sightline-recognize"
    assert function.handler == "cloud.recognize.handler"
    assert (function.timeout_s, function.memory_mb) == (20, 1024)
    assert (function.max_event_age_s, function.retries) == (61, 2)
    assert function.on_failure_arn is not None
    assert function.on_failure_arn.endswith(":sightline-dead-letters")
    assert function.environment["SIGHTLINE_PEOPLE_TABLE"] == "sightline-people"
    assert function.environment["SIGHTLINE_MODELS"] == "/here"
    assert (function.folder / "cloud" / "recognize.py").is_file()


def test_reserved_concurrency_bounds_the_workers(
    account: Account, surroundings: Surroundings
) -> None:
    # MiniStack takes it from its API, but not from a template.
    account.client("lambda").put_function_concurrency(
        FunctionName="sightline-recognize", ReservedConcurrentExecutions=3
    )
    assert deployed(account, surroundings).workers == 3

    fewer = dataclasses.replace(surroundings, workers=2)
    assert deployed(account, fewer).workers == 2


def test_code_is_unpacked_once_and_the_old_goes(
    account: Account, surroundings: Surroundings
) -> None:
    old = surroundings.code_folder / "sightline-recognize" / "old"
    old.mkdir(parents=True)
    function = deployed(account, surroundings)
    before = function.folder.stat().st_ino

    again = deployed(account, surroundings)

    assert again.folder.stat().st_ino == before
    assert not old.exists()


def test_a_worker_gets_the_keys_of_its_functions_role(
    account: Account, surroundings: Surroundings
) -> None:
    function = deployed(account, surroundings)
    assert function.refresh_environment is not None

    keys = function.refresh_environment()

    assert set(keys) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert keys["AWS_ACCESS_KEY_ID"] != ROOT.key_id


def test_a_function_logs_as_the_template_says(account: Account, surroundings: Surroundings) -> None:
    function = deployed(account, surroundings)

    assert function.environment["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert function.environment["AWS_LAMBDA_LOG_LEVEL"] == "INFO"


def test_a_function_is_told_of_this_machine_what_it_knows_and_is_started_when_it_is_asked(
    account: Account, surroundings: Surroundings
) -> None:
    function = deployed(account, surroundings, "sightline-admit")

    own = {k: v for k, v in function.environment.items() if k.startswith("SIGHTLINE_")}
    assert own == {"SIGHTLINE_SERIALS_TABLE": "sightline-serials"}
    assert function.environment["AWS_REGION"] == REGION
    assert function.warm == 0
    warm = dataclasses.replace(surroundings, warm={"sightline-recognize"})
    function = deployed(account, warm)
    assert function.warm == function.workers > 0
