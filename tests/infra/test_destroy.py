"""Destroying a stack: what goes, what is kept, and what `--everything` leaves: nothing.

On MiniStack, whose lists of every service are counted; the role alias, which it does not know, is
left out there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.account import Account
from infra.deploy import Deployment, deploy
from infra.deploying import belongings, registry, remains
from infra.destroy import destroy, destroyable
from infra.provision import provision
from infra.provisioning.certificates import issued
from infra.target import Target
from sightline.errors import ConfigError
from tests.infra.stubbed import ID, stubbed

pytestmark = pytest.mark.stack
DELETED = "DELETE_COMPLETE"


def census(account: Account) -> set[str]:
    """Everything that there is in the account, by listing every service a stack touches."""
    lists: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("s3", "list_buckets", "Buckets", "Name", {}),
        ("dynamodb", "list_tables", "TableNames", "", {}),
        ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
        ("lambda", "list_functions", "Functions", "FunctionName", {}),
        ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID", {}),
        ("apigatewayv2", "get_apis", "Items", "ApiId", {}),
        ("events", "list_rules", "Rules", "Name", {}),
        ("sqs", "list_queues", "QueueUrls", "", {}),
        ("sns", "list_topics", "Topics", "TopicArn", {}),
        ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn", {}),
        ("iam", "list_roles", "Roles", "RoleName", {}),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
        ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName", {}),
        ("ecr", "describe_repositories", "repositories", "repositoryName", {}),
        ("iot", "list_things", "things", "thingName", {}),
        ("iot", "list_thing_groups", "thingGroups", "groupName", {}),
        ("iot", "list_certificates", "certificates", "certificateId", {}),
        ("iot", "list_policies", "policies", "policyName", {}),
        ("iot", "list_topic_rules", "rules", "ruleName", {}),
        ("iot", "list_provisioning_templates", "templates", "templateName", {}),
        ("iot-data", "list_retained_messages", "retainedTopics", "topic", {}),
    ]
    found = set()
    for service, operation, field, name, arguments in lists:
        client = account.client(service)
        if client.can_paginate(operation):
            pages = client.get_paginator(operation).paginate(**arguments)
        else:
            pages = [getattr(client, operation)(**arguments)]
        for page in pages:
            found |= {f"{operation} {each[name] if name else each}" for each in page.get(field, [])}
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    return found | {f"stack {s['StackName']}" for s in stacks if s["StackStatus"] != DELETED}


def fill(account: Account, stack: str, outputs: dict[str, str], folder: Path) -> None:
    """Use a stack: frames, people, a device that spoke, an operator, dead letters, an image."""
    target = Target(account=account, stack=stack, outputs=outputs)
    s3, media = account.client("s3"), outputs["MediaBucket"]
    for number in range(3):
        s3.put_object(Bucket=media, Key=f"frames/door/{number}.jpg", Body=b"jpeg")
    s3.create_multipart_upload(Bucket=media, Key="segments/door/never-ended.mp4")
    ada = {"person_id": {"S": "ada"}}
    account.client("dynamodb").put_item(TableName=outputs["PeopleTable"], Item=ada)
    provision(f"{stack}-door", target=target, folder=folder / "door", say=lambda _: None)
    with issued(account.client("iot"), "operator", outputs["OperatorPolicy"]):
        pass
    data = account.client("iot-data")
    data.publish(topic=f"sightline/v1/{stack}-door/status", retain=True, qos=1, payload=b"{}")
    data.update_thing_shadow(thingName=f"{stack}-door", payload=b'{"state":{"desired":{"a":1}}}')
    account.client("sqs").send_message(
        QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody=json.dumps({"requestPayload": {}})
    )
    ecr = registry.ensure_repository(account, stack, {"stack": stack})
    assert ecr.endswith(f"/{stack}")


def test_everything_leaves_nothing_and_again_there_is_nothing_to_do(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    before = census(account)
    outputs = deploy(account, deployment("all"), lambda _: None)
    fill(account, "all", outputs, tmp_path)
    filled = census(account) - before
    assert len(filled) > 15
    assert "list_things all-door" in filled
    assert "list_retained_messages sightline/v1/all-door/status" in filled
    said: list[str] = []

    kept = destroy(account, "all", said.append, everything=True)

    assert census(account) - before == set()
    assert kept == []
    assert "deleted 1 thing(s) and 2 certificate(s)" in said
    said.clear()
    destroy(account, "all", said.append, everything=True)
    assert said[0] == "there is no stack all in us-east-1, and nothing left to delete"
    assert destroyable(account, "all") == []


def test_all_that_goes_is_named_before_somebody_decides(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    outputs = deploy(account, deployment("named"), lambda _: None)
    fill(account, "named", outputs, tmp_path)

    lines = destroyable(account, "named")

    destroy(account, "named", lambda _: None, everything=True)
    assert lines[0] == "the stack named"
    assert f"the bucket {outputs['MediaBucket']}" in lines
    assert "the table named-people" in lines
    assert "the image repository named" in lines
    assert "1 device(s): named-door" in lines
    assert "2 certificate(s)" in lines


def test_devices_outlive_a_stack_without_rights_and_the_next_one_takes_them_up(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    outputs = deploy(account, deployment("again"), lambda _: None)
    fill(account, "again", outputs, tmp_path)
    said: list[str] = []

    destroy(account, "again", said.append)

    iot = account.client("iot")
    (arn,) = iot.list_thing_principals(thingName="again-door")["principals"]
    assert iot.list_attached_policies(target=arn)["policies"] == []
    assert any(line.startswith("kept: the thing again-door") for line in said)
    assert "deleted 1 certificate(s) of operators or claims" in said
    assert any(line.startswith("kept: the image repository again; ") for line in said)

    said.clear()
    deploy(account, deployment("again"), said.append)
    (policy,) = iot.list_attached_policies(target=arn)["policies"]
    assert policy["policyName"] == "again-device"
    assert "again-door, a device of an earlier stack again, has its rights again" in said
    destroy(account, "again", lambda _: None, everything=True)


def test_what_a_first_destroy_kept_a_second_with_everything_deletes(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    before = census(account)
    outputs = deploy(account, deployment("twice"), lambda _: None)
    fill(account, "twice", outputs, tmp_path)

    kept = destroy(account, "twice", lambda _: None)
    assert {each.kind for each in kept} >= {"bucket", "table", "image repository"}
    destroy(account, "twice", lambda _: None, everything=True)

    assert census(account) - before == set()


def test_buckets_of_a_prefix_are_kept_taken_up_again_and_found_when_the_stack_is_gone(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    before = census(account)
    outputs = deploy(account, deployment("pre", BucketPrefix="ada"), lambda _: None)
    assert [outputs[f"{each}Bucket"] for each in ("Input", "Stage", "Output")] == [
        "ada-input",
        "ada-stage-1",
        "ada-output",
    ]
    s3 = account.client("s3")
    s3.put_object(Bucket="ada-output", Key="a.txt", Body=b"Ada")
    # As CloudFormation hands a stack's tags on to what it makes; MiniStack's does not.
    for name in ("ada-input", "ada-stage-1", "ada-output"):
        tags = [{"Key": "stack", "Value": "pre"}]
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})

    kept = destroy(account, "pre", lambda _: None)
    assert {"ada-input", "ada-stage-1", "ada-output"} <= {each.name for each in kept}
    deploy(account, deployment("pre", BucketPrefix="ada"), lambda _: None)
    assert s3.get_object(Bucket="ada-output", Key="a.txt")["Body"].read() == b"Ada"
    destroy(account, "pre", lambda _: None)
    assert "the bucket ada-output" in destroyable(account, "pre")  # though nobody knows the prefix
    destroy(account, "pre", lambda _: None, everything=True)

    assert census(account) - before == set()


def test_another_stacks_devices_are_left_alone(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    for stack in ("mine", "mine-too"):
        outputs = deploy(account, deployment(stack), lambda _: None)
        fill(account, stack, outputs, tmp_path / stack)

    destroy(account, "mine", lambda _: None, everything=True)

    assert list(belongings.find(account, "mine-too").things) == ["mine-too-door"]
    tables = account.client("dynamodb").list_tables()["TableNames"]
    assert "mine-too-people" in tables
    assert "mine-people" not in tables
    destroy(account, "mine-too", lambda _: None, everything=True)


def test_a_bucket_of_another_stack_by_our_name_is_left_alone(account: Account) -> None:
    s3, bucket = account.client("s3"), "claims-media-000000000000-us-east-1"
    s3.create_bucket(Bucket=bucket)
    tags = [{"Key": "stack", "Value": "somebody"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})

    assert destroyable(account, "claims") == []
    destroy(account, "claims", lambda _: None, everything=True)

    s3.delete_bucket(Bucket=bucket)  # it is there


def test_a_bucket_that_somebody_else_has_or_that_we_may_not_see_is_named() -> None:
    """Not on MiniStack, where there is one account."""
    with stubbed() as aws:
        me = {"Account": ID, "Arn": f"arn:aws:iam::{ID}:user/me", "UserId": "me"}
        for _ in range(2):  # for the bucket's name, and for its owner
            aws.answer("sts", "get_caller_identity", me)
        aws.refuse("s3", "head_bucket", "403", "Forbidden", 403)

        with pytest.raises(ConfigError, match=f"the bucket cam-media-{ID}.+another account's"):
            remains.find(aws.account, "cam")


def test_the_bucket_of_the_first_deployments_goes_too(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    before = census(account)
    deploy(account, deployment("older"), lambda _: None)
    s3, bucket = account.client("s3"), "older-artifacts-000000000000-us-east-1"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="code/1.zip", Body=b"code")

    destroy(account, "older", lambda _: None, everything=True)

    assert census(account) - before == set()


def test_what_cannot_be_deleted_stops_nothing_else(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    before = census(account)
    deploy(account, deployment("part"), lambda _: None)
    dynamodb = account.client("dynamodb")
    dynamodb.update_table(TableName="part-people", DeletionProtectionEnabled=True)

    with pytest.raises(ConfigError, match=r"the table part-people: .+ destroy again"):
        destroy(account, "part", lambda _: None, everything=True)

    assert census(account) - before == {"list_tables part-people"}
    dynamodb.update_table(TableName="part-people", DeletionProtectionEnabled=False)
    destroy(account, "part", lambda _: None, everything=True)
    assert census(account) - before == set()
