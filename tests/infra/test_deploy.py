"""Deploying through CloudFormation, here MiniStack's; the code is the one that speaks to AWS."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.account import AccessKey, Account
from infra.artifacts import bucket_name
from infra.deploy import Deployment, deploy, destroy, outputs
from infra.local.ministack.server import REGION, MiniStackServer, RootKey, ServerSettings
from infra.local.ports import free_port
from infra.local.stack import LEFT_OUT
from sightline.errors import ConfigError, TransportError

pytestmark = pytest.mark.stack
ROOT = RootKey(key_id="AKIATESTTESTTESTTEST", secret="of-the-tests")
KEY = AccessKey(key_id=ROOT.key_id, secret=ROOT.secret)


@pytest.fixture(scope="module")
def account(ministack_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    settings = ServerSettings(
        python=ministack_python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=ROOT,
    )
    with MiniStackServer(settings) as server:
        yield Account(region=REGION, key=KEY, endpoint=server.url)


@pytest.fixture
def deployment(code_root: Path, tmp_path: Path) -> Callable[..., Deployment]:
    """Makes a deployment of a copy of the code, under a name of the test's own."""
    root = tmp_path / "code"
    shutil.copytree(code_root, root)

    def make(stack: str, **parameters: str) -> Deployment:
        return Deployment(stack=stack, parameters=parameters, left_out=LEFT_OUT, code_root=root)

    return make


def test_a_stack_is_made_and_each_step_said(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    said: list[str] = []

    found = deploy(account, deployment("first"), said.append)

    assert found["PeopleTable"] == "first-people"
    assert found["RoleAlias"] == "first-device"
    assert "left out here: DeviceRoleAlias (AWS::IoT::RoleAlias)" in said
    assert "CREATE_COMPLETE  Recognize (AWS::Lambda::Function)" in said
    assert said[-1] == "stack first is deployed"
    assert outputs(account, "first") == found


def test_nothing_changed_is_success(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    said: list[str] = []
    deploy(account, deployment("same"), said.append)
    said.clear()

    deploy(account, deployment("same"), said.append)

    assert said[-1] == "stack same is up to date"
    assert not [line for line in said if line.startswith("uploaded")]


def test_changed_code_is_deployed_and_given_parameters_stay(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("code", FrameDays="3", TimeoutSeconds="17"), lambda _: None)
    before = account.client("lambda").get_function(FunctionName="code-recognize")
    changed = deployment("code")
    with (changed.code_root / "cloud" / "recognize.py").open("a") as source:
        source.write("# more\n")
    said: list[str] = []

    deploy(account, changed, said.append)

    after = account.client("lambda").get_function(FunctionName="code-recognize")
    assert "UPDATE_COMPLETE  Recognize (AWS::Lambda::Function)" in said
    assert after["Configuration"]["CodeSha256"] != before["Configuration"]["CodeSha256"]
    assert after["Configuration"]["Timeout"] == 17


def test_what_people_gave_outlives_the_stack_and_is_taken_up_again(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    found = deploy(account, deployment("lives"), lambda _: None)
    item = {"person_id": {"S": "ada"}}
    account.client("dynamodb").put_item(TableName=found["PeopleTable"], Item=item)
    account.client("s3").put_object(Bucket=found["MediaBucket"], Key="frames/a", Body=b"1")
    said: list[str] = []

    destroy(account, "lives", said.append)

    kept = [line for line in said if line.startswith("kept, since it holds people's data")]
    assert len(kept) == 4
    with pytest.raises(ConfigError, match="no stack lives"):
        outputs(account, "lives")
    buckets = [b["Name"] for b in account.client("s3").list_buckets()["Buckets"]]
    assert bucket_name(account, "lives") not in buckets

    deploy(account, deployment("lives"), lambda _: None)
    assert account.client("dynamodb").scan(TableName=found["PeopleTable"])["Items"] == [item]


def test_the_first_resource_to_fail_is_named_with_its_reason(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    account.client("iot").create_policy(
        policyName="taken-device",
        policyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )

    with pytest.raises(ConfigError, match=r"because of DevicePolicy \(AWS::IoT::Policy\): .+"):
        deploy(account, deployment("taken"), lambda _: None)

    account.client("iot").delete_policy(policyName="taken-device")
    said: list[str] = []
    deploy(account, deployment("taken"), said.append)
    assert said[-1] == "stack taken is deployed"


def test_a_parameter_that_cannot_be_is_refused_by_name(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    with pytest.raises(ConfigError, match="MemoryMb"):
        deploy(account, deployment("bad", MemoryMb="1"), lambda _: None)


def test_destroying_what_is_not_there_is_said_so(account: Account) -> None:
    with pytest.raises(ConfigError, match="there is no stack nowhere"):
        destroy(account, "nowhere", lambda _: None)


def test_a_strangers_key_is_the_operators_to_mend(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    stranger = Account(
        region=REGION,
        key=AccessKey(key_id="AKIASTRANGERSTRANGER", secret="x"),
        endpoint=account.endpoint,
    )
    with pytest.raises(ConfigError, match="InvalidClientTokenId"):
        deploy(stranger, deployment("s"), lambda _: None)


def test_aws_out_of_reach_is_nobodys_fault(deployment: Callable[..., Deployment]) -> None:
    nobody = Account(region=REGION, key=KEY, endpoint=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(TransportError):
        deploy(nobody, deployment("s"), lambda _: None)


def test_an_account_needs_a_region_and_a_profile_that_exists() -> None:
    with pytest.raises(ConfigError, match="profile"):
        Account(region=REGION, profile="sightline-has-no-such-profile")
