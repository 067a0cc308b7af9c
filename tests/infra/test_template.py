"""What `template.yaml` promises, read off the template itself."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cloud.settings import Settings
from infra import template
from infra.local.stack import LEFT_OUT
from infra.template import LeftOut
from sightline import keys, topics
from sightline.errors import ConfigError

TEMPLATE = template.load()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
PARTITION = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy: roles', resources' and IoT's."""
    for name, body in RESOURCES.items():
        properties = body["Properties"]
        documents = [
            properties.get("PolicyDocument"),
            *(policy["PolicyDocument"] for policy in properties.get("Policies", [])),
        ]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                yield name, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_type(name: str) -> dict[str, dict[str, Any]]:
    return {k: v["Properties"] for k, v in RESOURCES.items() if v["Type"] == name}


def written(resource: Any) -> str:
    """A resource as one text, whatever functions it is made with."""
    return json.dumps(resource)


def test_no_action_is_a_pattern() -> None:
    actions = [(n, a) for n, s in statements() for a in as_list(s["Action"])]

    assert len(actions) > 20
    assert not [(name, action) for name, action in actions if "*" in action]
    assert not [name for name, statement in statements() if "NotAction" in statement]


def test_no_statement_is_for_every_resource() -> None:
    resources = [(n, r) for n, s in statements() for r in as_list(s["Resource"])]

    assert not [(name, r) for name, r in resources if r == "*" or written(r).endswith(':*"')]


def test_only_a_refusal_is_for_everybody() -> None:
    for name, statement in statements():
        if "*" in written(statement.get("Principal", "")):
            assert statement["Effect"] == "Deny", name


@pytest.mark.parametrize("resource", ["MediaBucketPolicy", "DeadLettersPolicy"])
def test_what_does_not_come_over_tls_is_refused(resource: str) -> None:
    (statement,) = RESOURCES[resource]["Properties"]["PolicyDocument"]["Statement"]

    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_rule_is_the_contracts() -> None:
    rule = RESOURCES["FramesRule"]["Properties"]["TopicRulePayload"]

    select, _, source = rule["Sql"].partition(" FROM ")
    assert select == (
        "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS client, "
        "timestamp() AS received_ms"
    )
    assert source == f"'{topics.every('frames')}'"
    assert rule["AwsIotSqlVersion"] == "2016-03-23"
    assert rule["ErrorAction"]["Sqs"]["QueueUrl"] == {"Ref": "DeadLetters"}
    assert not rule["RuleDisabled"]


def test_only_our_rule_may_invoke_the_function() -> None:
    permission = RESOURCES["RecognizePermission"]["Properties"]

    assert permission["Principal"] == "iot.amazonaws.com"
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    text, names = permission["SourceArn"]["Fn::Sub"]
    assert text.endswith(":rule/${Rule}")
    assert names["Rule"] == RESOURCES["FramesRule"]["Properties"]["RuleName"]


def test_the_function_is_told_what_its_settings_read() -> None:
    variables = RESOURCES["Recognize"]["Properties"]["Environment"]["Variables"]

    assert set(variables) == {f"SIGHTLINE_{field.name.upper()}" for field in fields(Settings)}


def test_the_function_may_answer_on_its_two_channels_only() -> None:
    (publish,) = [s for n, s in statements() if n == "RecognizeRole" and s.get("Sid") == "Answer"]

    assert publish["Action"] == "iot:Publish"
    assert [r["Fn::Sub"] for r in publish["Resource"]] == [
        f"{PARTITION}topic/{topics.PREFIX}/*/results",
        f"{PARTITION}topic/{topics.PREFIX}/*/errors",
    ]


def test_the_function_reads_frames_and_nothing_else_of_the_bucket() -> None:
    s3 = [
        s
        for n, s in statements()
        if n == "RecognizeRole" and as_list(s["Action"])[0].startswith("s3:")
    ]

    read, listing = s3
    assert read["Action"] == "s3:GetObject"
    assert read["Resource"] == {"Fn::Sub": "${MediaBucket.Arn}/" + f"{keys.FRAMES}/*"}
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": f"{keys.FRAMES}/*"}}


def test_the_function_gets_and_puts_sightings_and_no_more() -> None:
    [keeping] = [s for n, s in statements() if n == "RecognizeRole" and "Sightings" in written(s)]

    assert keeping["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
    assert keeping["Resource"] == {"Fn::GetAtt": ["SightingsTable", "Arn"]}


def test_the_function_cannot_change_who_is_enrolled() -> None:
    for name, statement in statements():
        if name == "RecognizeRole" and re.search("People|Faces|Meta", written(statement)):
            for action in as_list(statement["Action"]):
                assert action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan")


def device(action: str) -> list[str]:
    found = [
        r["Fn::Sub"]
        for n, s in statements()
        if n == "DevicePolicy" and s["Action"] == action
        for r in as_list(s["Resource"])
    ]
    return [text.removeprefix(PARTITION) for text in found]


def ours(channel: topics.Channel) -> str:
    return topics.topic("X", channel).replace("X", "${!iot:Connection.Thing.ThingName}")


def test_a_device_acts_under_its_own_name_only() -> None:
    for action in ("iot:Connect", "iot:Publish", "iot:RetainPublish", "iot:Subscribe"):
        assert device(action), action
        for resource in (*device(action), *device("iot:Receive")):
            assert "${!iot:Connection.Thing.ThingName}" in resource
    (connect,) = [s for n, s in statements() if n == "DevicePolicy" and "Condition" in s]
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}


def test_a_device_has_the_channels_of_the_contract() -> None:
    assert {f"topic/{ours('frames')}", f"topic/{ours('status')}"} < set(device("iot:Publish"))
    assert device("iot:RetainPublish") == [f"topic/{ours('status')}"]
    for channel in ("results", "errors", "commands"):
        assert f"topicfilter/{ours(channel)}" in device("iot:Subscribe")
        assert f"topic/{ours(channel)}" in device("iot:Receive")
        assert f"topic/{ours(channel)}" not in device("iot:Publish")


def test_a_device_may_upload_under_its_own_name_and_read_nothing() -> None:
    (statement,) = [s for n, s in statements() if n == "DeviceRole"]

    assert statement["Action"] == "s3:PutObject"
    assert [r["Fn::Sub"] for r in statement["Resource"]] == [
        "${MediaBucket.Arn}/frames/${!credentials-iot:ThingName}/*",
        "${MediaBucket.Arn}/segments/${!credentials-iot:ThingName}/*",
    ]
    alias = RESOURCES["DeviceRoleAlias"]["Properties"]["RoleAlias"]["Fn::Sub"]
    assert device("iot:AssumeRoleWithCertificate") == [f"rolealias/{alias}"]


def test_an_operator_cannot_answer_for_the_cloud() -> None:
    publish = [s for n, s in statements() if n == "OperatorPolicy" and s["Action"] == "iot:Publish"]

    assert [r["Fn::Sub"].rpartition("/")[2] for r in publish[0]["Resource"]] == [
        "frames",
        "commands",
    ]


def test_peoples_data_outlives_the_stack() -> None:
    for name in ("PeopleTable", "FacesTable", "MetaTable", "MediaBucket"):
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_whatever_holds_data_says_what_becomes_of_it() -> None:
    holding = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Logs::LogGroup")
    for name, body in RESOURCES.items():
        if body["Type"] in holding:
            assert "DeletionPolicy" in body, name
            assert "UpdateReplacePolicy" in body, name


def test_tables_are_encrypted_and_paid_by_use() -> None:
    tables = of_type("AWS::DynamoDB::Table")

    assert set(tables) == {"PeopleTable", "FacesTable", "SightingsTable", "MetaTable"}
    for table in tables.values():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    for name in ("PeopleTable", "FacesTable"):
        assert "PointInTimeRecoverySpecification" in tables[name]


def test_sightings_are_found_by_person_and_expire() -> None:
    table = RESOURCES["SightingsTable"]["Properties"]
    indexes = {i["IndexName"]: i for i in table["GlobalSecondaryIndexes"]}

    assert [k["AttributeName"] for k in indexes["by_person"]["KeySchema"]] == ["person_id", "seen"]
    assert set(indexes) == {"by_person"}
    keys_of = [table["KeySchema"], *(index["KeySchema"] for index in indexes.values())]
    assert {a["AttributeName"] for a in table["AttributeDefinitions"]} == {
        key["AttributeName"] for schema in keys_of for key in schema
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_bucket_is_private_encrypted_and_forgets() -> None:
    bucket = RESOURCES["MediaBucket"]["Properties"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket
    assert rules["frames"]["Prefix"] == f"{keys.FRAMES}/"
    assert rules["frames"]["ExpirationInDays"] == {"Ref": "FrameDays"}
    assert rules["segments"]["ExpirationInDays"] == {"Ref": "SegmentDays"}


def test_what_fails_is_kept_for_two_weeks_encrypted() -> None:
    queue = RESOURCES["DeadLetters"]["Properties"]
    invokes = RESOURCES["RecognizeInvokes"]["Properties"]

    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["SqsManagedSseEnabled"] is True
    assert invokes["MaximumRetryAttempts"] == 2
    assert invokes["MaximumEventAgeInSeconds"] == {"Ref": "MaxFrameAgeSeconds"}
    assert TEMPLATE["Parameters"]["MaxFrameAgeSeconds"]["Default"] == 60
    destination = invokes["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["DeadLetters", "Arn"]}


def test_every_alarm_tells_somebody() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")

    assert {a["MetricName"] for a in alarms.values()} == {
        "ApproximateNumberOfMessagesVisible",
        "Errors",
        "Throttles",
    }
    assert all(alarm["AlarmActions"] == [{"Ref": "Alarms"}] for alarm in alarms.values())


def test_every_function_has_a_log_of_bounded_age() -> None:
    for name, function in of_type("AWS::Lambda::Function").items():
        group = RESOURCES[function["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["RetentionInDays"] == {"Ref": "LogDays"}, name
        assert group["LogGroupName"]["Fn::Sub"].endswith(function["FunctionName"]["Fn::Sub"])


def test_the_outputs_are_those_that_the_command_line_reads() -> None:
    assert set(TEMPLATE["Outputs"]) == {
        "Engine",
        "MediaBucket",
        "PeopleTable",
        "FacesTable",
        "SightingsTable",
        "MetaTable",
        "RecognizeFunction",
        "DeadLetterQueueUrl",
        "RoleAlias",
        "DevicePolicy",
        "OperatorPolicy",
    }


def test_it_fits_into_one_request() -> None:
    assert len(json.dumps(TEMPLATE, separators=(",", ":"))) < 51_200


def test_cfn_lint_finds_nothing() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    if not lint.exists():
        pytest.skip("cfn-lint is not installed")

    done = subprocess.run([lint, template.TEMPLATE], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_a_type_is_left_out_by_name_and_its_references_become_its_name() -> None:
    rest, gone = template.leave_out(TEMPLATE, LEFT_OUT)

    assert gone == [LeftOut(name="DeviceRoleAlias", type="AWS::IoT::RoleAlias")]
    assert rest["Outputs"]["RoleAlias"]["Value"] == {"Fn::Sub": "${AWS::StackName}-device"}
    assert set(RESOURCES) - set(rest["Resources"]) == {"DeviceRoleAlias"}


def test_nothing_is_left_out_of_which_more_than_the_name_is_needed() -> None:
    with pytest.raises(ConfigError, match="DeadLetters"):
        template.leave_out(TEMPLATE, {"AWS::SQS::Queue": "QueueName"})


def test_a_dependency_on_what_is_left_out_goes_with_it() -> None:
    body = {
        "Resources": {
            "A": {"Type": "X", "Properties": {}, "DependsOn": "B"},
            "B": {"Type": "Y", "Properties": {"Name": "b"}},
        }
    }

    rest, _ = template.leave_out(body, {"Y": "Name"})

    assert rest == {"Resources": {"A": {"Type": "X", "Properties": {}, "DependsOn": []}}}


def test_what_outlives_a_stack_is_named_outright() -> None:
    named = template.with_literal_names(TEMPLATE, {"AWS::StackName": "s", "AWS::Region": "r"})

    assert named["Resources"]["PeopleTable"]["Properties"]["TableName"] == "s-people"
    assert named["Resources"]["SightingsTable"]["Properties"]["TableName"] == {
        "Fn::Sub": "${AWS::StackName}-sightings"
    }


def test_the_functions_are_known_by_name_before_there_is_a_stack() -> None:
    assert list(template.function_names(TEMPLATE, "mine")) == ["mine-recognize"]


def test_a_template_that_is_none_is_said_so(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")

    with pytest.raises(ConfigError, match=r"bad\.yaml is not a template"):
        template.load(bad)
    with pytest.raises(ConfigError, match="cannot read"):
        template.load(tmp_path / "none.yaml")
