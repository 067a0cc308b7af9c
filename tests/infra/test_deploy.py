"""Deploying through CloudFormation, here MiniStack's; the code is the one that speaks to AWS."""

import json
from collections.abc import Callable, Sequence

import pytest

from infra.account import AccessKey, Account
from infra.deploy import (
    MAX_TEMPLATE_BYTES,
    Deployment,
    deploy,
    literal_body,
    outputs,
    settle,
    template_source,
)
from infra.deploying.artifacts import bucket_name
from infra.deploying.changes import Change
from infra.deploying.events import LeftRunning, StackEvent
from infra.destroy import destroy
from infra.local.ministack.server import REGION
from infra.local.ports import free_port
from sightline.errors import ConfigError, TransportError

pytestmark = pytest.mark.stack
KEY = AccessKey(key_id="AKIANOBODYNOBODYNOBO", secret="of-the-tests")


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
    deploy(account, deployment("code", FrameDays="3", TimeoutSeconds="20"), lambda _: None)
    before = account.client("lambda").get_function(FunctionName="code-recognize")
    changed = deployment("code")
    with (changed.code_root / "cloud" / "recognize.py").open("a") as source:
        source.write("# more\n")
    said: list[str] = []

    deploy(account, changed, said.append)

    after = account.client("lambda").get_function(FunctionName="code-recognize")
    assert "UPDATE_COMPLETE  Recognize (AWS::Lambda::Function)" in said
    assert after["Configuration"]["CodeSha256"] != before["Configuration"]["CodeSha256"]
    assert after["Configuration"]["Timeout"] == 20


def test_what_people_gave_outlives_the_stack_and_is_taken_up_again(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    found = deploy(account, deployment("lives"), lambda _: None)
    item = {"person_id": {"S": "ada"}}
    account.client("dynamodb").put_item(TableName=found["PeopleTable"], Item=item)
    account.client("s3").put_object(Bucket=found["MediaBucket"], Key="frames/a", Body=b"1")
    said: list[str] = []

    destroy(account, "lives", said.append)

    kept = [line for line in said if "people" in line and line.startswith("kept: ")]
    assert f"kept: the bucket {found['MediaBucket']}; it holds pictures of people; " in str(kept)
    assert "kept: the table lives-people; it holds people's names and records; " in str(kept)
    serials = next(line for line in said if line.startswith("kept: the table lives-serials; "))
    assert "which devices may join the fleet, and no people's data" in serials
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
    assert "clearing away what an earlier deployment left (ROLLBACK_COMPLETE)" in said
    assert said[-1] == "stack taken is deployed"


def test_a_parameter_that_cannot_be_is_refused_by_name(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    with pytest.raises(ConfigError, match="MemoryMb"):
        deploy(account, deployment("bad", MemoryMb="1"), lambda _: None)


def test_destroying_what_is_not_there_is_harmless_and_said_so(account: Account) -> None:
    said: list[str] = []

    assert destroy(account, "nowhere", said.append) == []

    assert said[0] == f"there is no stack nowhere in {REGION}, and nothing left to delete"


def test_who_mistypes_the_stack_to_destroy_is_told_which_there_are(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("hallway"), lambda _: None)
    said: list[str] = []

    destroy(account, "halway", said.append)

    assert said[0].startswith("there is no stack halway")
    assert said[1].startswith("did you mean another --stack? there is ")
    assert "hallway" in said[1].rpartition("there is ")[2].split(", ")


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


def test_ctrl_c_stops_looking_on_and_the_same_again_goes_on(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    def interrupted(_event: StackEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(LeftRunning):
        deploy(account, deployment("cut"), lambda _: None, watch=interrupted)
    said: list[str] = []

    found = deploy(account, deployment("cut"), said.append)

    assert said[-1] == "stack cut is up to date"
    assert found["PeopleTable"] == "cut-people"


def test_what_would_change_is_shown_first_and_who_declines_leaves_nothing(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    shown: list[Change] = []

    def decline(changes: Sequence[Change]) -> None:
        shown.extend(changes)
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        deploy(account, deployment("declined"), lambda _: None, approve=decline)

    assert ("Add", "AWS::DynamoDB::Table", True) in {
        (each.action, each.type, each.holds_data) for each in shown
    }
    assert settle(account, "declined", lambda _: None) is None


def test_everything_that_can_be_is_tagged(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("tagged"), lambda _: None)

    wanted = {"application": "sightline", "stack": "tagged"}
    description = account.client("cloudformation").describe_stacks(StackName="tagged")["Stacks"][0]
    assert {tag["Key"]: tag["Value"] for tag in description["Tags"]} == wanted
    # From the stack CloudFormation hands them on to all it makes (MiniStack does not). What is made
    # beside it has them from us.
    code = account.client("s3").get_bucket_tagging(Bucket=bucket_name(account, "tagged"))
    assert {tag["Key"]: tag["Value"] for tag in code["TagSet"]} == wanted


def test_the_code_bucket_is_private_encrypted_and_for_tls_alone(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("coded"), lambda _: None)
    s3, bucket = account.client("s3"), bucket_name(account, "coded")

    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]

    assert all(blocked.values())
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def test_a_template_too_long_for_a_request_goes_by_way_of_the_bucket(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    body = literal_body(account, deployment("long"))
    body["Metadata"] = {"filler": "x" * MAX_TEMPLATE_BYTES}

    source = template_source(account, deployment("long"), body)

    assert source.keys() == {"TemplateURL"}
    read = account.client("cloudformation").validate_template(**source)
    assert {p["ParameterKey"] for p in read["Parameters"]} == set(body["Parameters"])
    assert template_source(account, deployment("long"), body) == source
    destroy(account, "long", lambda _: None)
    assert bucket_name(account, "long") not in str(account.client("s3").list_buckets()["Buckets"])
