"""Who may do what, read off `template.yaml`; tests/end_to_end/test_policies.py tries it."""

import json
import re
from typing import Any

import pytest

from cloud.http.keys_table import COUNT_PREFIX
from sightline import fleet, keys, topics
from tests.infra.reading import (
    IOT,
    PSEUDO,
    RESOURCES,
    THING,
    as_list,
    filled,
    of_type,
    statements,
    written,
)

# Every resource of an Allow that ends in a wildcard, or has one inside, and why it must.
OWN = "what is under the device's own name"
ANY_DEVICE = "one function, one operator for all devices; which there are is not known here"
LATER = "which it will be is known when a device asks"
ANY_VIDEO = "any video's name, and all that is made of it"
ANSWERS = "AWS IoT's answers, /accepted and /rejected, of this one operation"
WILDCARDS = {
    ("DevicePolicy", f"{IOT}topicfilter/sightline/v1/{THING}/*"): OWN,
    ("DevicePolicy", f"{IOT}topic/sightline/v1/{THING}/*"): OWN,
    ("DevicePolicy", f"{IOT}topicfilter/$aws/things/{THING}/shadow/*"): OWN,
    ("DevicePolicy", f"{IOT}topic/$aws/things/{THING}/shadow/*"): OWN,
    ("DeviceRole", "${MediaBucket.Arn}/frames/${!credentials-iot:ThingName}/*"): OWN,
    ("DeviceRole", "${MediaBucket.Arn}/segments/${!credentials-iot:ThingName}/*"): OWN,
    ("RecognizeRole", "${MediaBucket.Arn}/frames/*"): ANY_DEVICE,
    ("RecognizeRole", f"{IOT}topic/sightline/v1/*/results"): ANY_DEVICE,
    ("RecognizeRole", f"{IOT}topic/sightline/v1/*/errors"): ANY_DEVICE,
    **{
        (role, f"${{{bucket}.Arn}}/*"): ANY_VIDEO
        for role in ("SplitVideoRole", "RecognizeVideoRole", "SweepVideosRole")
        for bucket in ("StageBucket", "OutputBucket")
    },
    ("SplitVideoRole", "arn:${AWS::Partition}:s3:::${Base}-input/*"): ANY_VIDEO,
    ("ApiRole", "${MediaBucket.Arn}/frames/*"): ANY_DEVICE,
    ("ApiRole", "${MediaBucket.Arn}/photos/*"): "whatever they are called",
    ("ApiRole", '"*"'): "AWS takes nothing else with iot:ListRetainedMessages",
    ("ApiRole", "${InputBucket.Arn}/uploads/*"): "a video's name is whoever uploads it's",
    ("ApiRole", "${OutputBucket.Arn}/*"): ANY_VIDEO,
    ("ApiRole", f"{IOT}topic/sightline/v1/*/status"): ANY_DEVICE,
    ("OperatorPolicy", f"{IOT}client/sightline-operator-*"): "two may be connected at once",
    ("OperatorPolicy", f"{IOT}topicfilter/sightline/v1/*"): ANY_DEVICE,
    ("OperatorPolicy", f"{IOT}topic/sightline/v1/*"): ANY_DEVICE,
    ("OperatorPolicy", f"{IOT}topic/sightline/v1/*/frames"): ANY_DEVICE,
    ("OperatorPolicy", f"{IOT}topic/sightline/v1/*/commands"): ANY_DEVICE,
    ("ClaimPolicy", f"{IOT}client/{fleet.CLAIM_CLIENTS}*"): "many cards have the same claim",
    ("FleetRole", f"{IOT}thing/*"): LATER,
    ("FleetRole", f"{IOT}cert/*"): LATER,
    **{
        (policy, f"{IOT}{kind}/{operation}/*"): ANSWERS
        for policy in ("ClaimPolicy", "RotationPolicy")
        for kind in ("topic", "topicfilter")
        for operation in (fleet.CSR_TOPIC, fleet.register_topic("${AWS::StackName}-fleet"))
    },
}


def texts(resource: Any) -> list[str]:
    """The text of a resource as the template has it, before its names are put in."""
    found = resource.get("Fn::If", [None, resource])[1] if isinstance(resource, dict) else resource
    return as_list(found["Fn::Sub"])[:1] if "Fn::Sub" in found else []


def allowed(policy: str, action: str) -> list[str]:
    """The resources of every statement of *policy* that allows *action*, without IoT's prefix."""
    return [
        text.removeprefix(IOT)
        for _, statement in statements(policy)
        if statement["Effect"] == "Allow" and action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        for text in texts(resource) or [written(resource)]
    ]


def actions_of(policy: str) -> set[str]:
    return {action for _, s in statements(policy) for action in as_list(s["Action"])}


def ours(channel: topics.Channel) -> str:
    return topics.topic("X", channel).replace("X", THING)


def test_no_action_is_a_pattern() -> None:
    actions = [(n, a) for n, s in statements() for a in as_list(s["Action"])]

    assert len(actions) > 20
    assert not [(name, action) for name, action in actions if "*" in action]
    for name, statement in statements():
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement), name


def test_every_wildcard_in_a_resource_has_its_reason() -> None:
    found = {
        (name, text)
        for name, statement in statements()
        if statement["Effect"] == "Allow"
        for resource in as_list(statement["Resource"])
        for text in (texts(resource) or [written(resource)])
        if "*" in text
    }

    assert found == set(WILDCARDS)


def test_no_statement_is_for_every_resource_but_where_aws_takes_no_other() -> None:
    # Source: Service Authorization Reference, AWS IoT: the action has no resource types.
    unbounded = {"iot:ListRetainedMessages"}
    resources = [
        (name, resource)
        for name, statement in statements()
        if not unbounded.issuperset(as_list(statement["Action"]))
        for resource in as_list(statement["Resource"])
    ]

    assert not [(name, r) for name, r in resources if r == "*" or written(r).endswith(':*"')]


def test_only_a_refusal_is_for_everybody() -> None:
    for name, statement in statements():
        if "*" in written(statement.get("Principal", "")):
            assert statement["Effect"] == "Deny", name


def test_no_policy_of_awss_own_is_taken() -> None:
    for name, role in of_type("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name


def test_each_function_has_a_role_that_only_lambda_may_take_for_it() -> None:
    roles = [f["Role"]["Fn::GetAtt"][0] for f in of_type("AWS::Lambda::Function").values()]

    assert len(roles) == len(set(roles)) >= 2
    for role in roles:
        (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_no_other_account_can_have_aws_iot_take_our_roles() -> None:
    trusts = {
        name: role["AssumeRolePolicyDocument"]["Statement"]
        for name, role in of_type("AWS::IAM::Role").items()
    }
    by_iot = {n: t for n, (t,) in trusts.items() if t["Principal"]["Service"].startswith("iot.")}

    assert {"FramesRuleRole", "FleetRole", "IotLogRole"} == set(by_iot)
    for name, trust in by_iot.items():
        mine = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert trust["Condition"] == {"StringEquals": mine}, name


@pytest.mark.parametrize("name", ["RecognizePermission", "AdmitPermission"])
def test_only_our_own_part_of_aws_iot_may_invoke_a_function(name: str) -> None:
    permission = RESOURCES[name]["Properties"]

    assert permission["Principal"] == "iot.amazonaws.com"
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    source = filled(permission["SourceArn"]).rpartition(":")[2]
    rule = filled(RESOURCES["FramesRule"]["Properties"]["RuleName"])
    template = filled(RESOURCES["FleetTemplate"]["Properties"]["TemplateName"])
    assert source in (f"rule/{rule}", f"provisioningtemplate/{template}")


PERMITTED = {
    "SplitVideoPermission": ("s3.amazonaws.com", "s3:::{0}-123456789012-ap-southeast-1-input"),
    "SweepVideosPermission": ("events.amazonaws.com", "SweepRule.Arn"),
    "ApiPermission": (
        "apigateway.amazonaws.com",
        "execute-api:ap-southeast-1:123456789012:${{HttpApi}}/*/$default",
    ),
}


def test_whoever_else_may_invoke_a_function_is_ours_and_named() -> None:
    permissions = of_type("AWS::Lambda::Permission")

    assert set(permissions) == {"RecognizePermission", "AdmitPermission", *PERMITTED}
    for name, (principal, source) in PERMITTED.items():
        permission = permissions[name]
        assert permission["Principal"] == principal
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
        assert filled(permission["SourceArn"]).endswith(source.format(PSEUDO["AWS::StackName"]))


@pytest.mark.parametrize(
    "resource",
    [n for n, b in RESOURCES.items() if b["Type"].endswith(("BucketPolicy", "QueuePolicy"))],
)
def test_what_does_not_come_over_tls_is_refused(resource: str) -> None:
    (statement,) = RESOURCES[resource]["Properties"]["PolicyDocument"]["Statement"]

    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_bucket_and_queue_has_such_a_policy() -> None:
    buckets = {p["Bucket"]["Ref"] for p in of_type("AWS::S3::BucketPolicy").values()}
    queues = {q["Ref"] for p in of_type("AWS::SQS::QueuePolicy").values() for q in p["Queues"]}

    assert buckets == set(of_type("AWS::S3::Bucket"))
    assert queues == set(of_type("AWS::SQS::Queue"))


def test_the_function_may_answer_on_its_two_channels_only() -> None:
    assert allowed("RecognizeRole", "iot:Publish") == [
        f"topic/{topics.PREFIX}/*/results",
        f"topic/{topics.PREFIX}/*/errors",
    ]


def test_the_function_reads_frames_and_nothing_else_of_the_bucket() -> None:
    assert allowed("RecognizeRole", "s3:GetObject") == ["${MediaBucket.Arn}/" + f"{keys.FRAMES}/*"]
    (listing,) = [s for _, s in statements("RecognizeRole") if s["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": f"{keys.FRAMES}/*"}}


def test_the_functions_rights_are_these_and_no_more() -> None:
    assert actions_of("RecognizeRole") == {
        "s3:GetObject",
        "s3:ListBucket",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "iot:Publish",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:SendMessage",
    }
    assert actions_of("AdmitRole") == {
        "dynamodb:UpdateItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert actions_of("DeviceRole") == {"s3:PutObject"}
    assert actions_of("FramesRuleRole") == {"sqs:SendMessage"}


def test_a_video_s_functions_may_not_change_who_is_enrolled_nor_speak_to_devices() -> None:
    for role in ("SplitVideoRole", "RecognizeVideoRole", "SweepVideosRole"):
        assert not {action for action in actions_of(role) if action.startswith("iot:")}
        for _, statement in statements(role):
            if re.search("People|Faces|Meta|Keys|Media", written(statement)):
                assert role == "RecognizeVideoRole"
                for action in as_list(statement["Action"]):
                    assert action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan")
    assert {action for action in actions_of("SplitVideoRole") if "lambda" in action} == {
        "lambda:InvokeFunction"
    }


def test_the_api_counts_requests_of_a_key_and_makes_none() -> None:
    reading, counting = (s for _, s in statements("ApiRole") if "KeysTable" in written(s))

    assert reading["Action"] == "dynamodb:GetItem"
    assert counting["Action"] == "dynamodb:UpdateItem"
    assert counting["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{COUNT_PREFIX}*"]}
    }


def test_the_function_gets_and_puts_sightings_and_no_more() -> None:
    [keeping] = [s for _, s in statements("RecognizeRole") if "Sightings" in written(s)]

    assert keeping["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
    assert keeping["Resource"] == {"Fn::GetAtt": ["SightingsTable", "Arn"]}


def test_the_function_cannot_change_who_is_enrolled() -> None:
    for _, statement in statements("RecognizeRole"):
        if re.search("People|Faces|Meta", written(statement)):
            for action in as_list(statement["Action"]):
                assert action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan")


def test_a_device_acts_under_its_own_name_only() -> None:
    for action in actions_of("DevicePolicy") - {"iot:AssumeRoleWithCertificate"}:
        assert allowed("DevicePolicy", action), action
        for resource in allowed("DevicePolicy", action):
            assert THING in resource, action
    (connect,) = [s for _, s in statements("DevicePolicy") if "Condition" in s]
    assert connect["Action"] == "iot:Connect"
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}


def test_a_device_has_the_channels_of_the_contract() -> None:
    published = allowed("DevicePolicy", "iot:Publish")

    assert {f"topic/{ours('frames')}", f"topic/{ours('status')}"} < set(published)
    for channel in ("results", "errors", "commands"):
        assert f"topic/{ours(channel)}" not in published
        assert any(
            ours(channel).startswith(text.removeprefix("topicfilter/").removesuffix("*"))
            for text in allowed("DevicePolicy", "iot:Subscribe")
        )
        assert any(
            ours(channel).startswith(text.removeprefix("topic/").removesuffix("*"))
            for text in allowed("DevicePolicy", "iot:Receive")
        )
    assert allowed("DevicePolicy", "iot:RetainPublish") == [f"topic/{ours('status')}"]
    assert not [text for text in published if text.endswith("*")]


def test_past_the_broker_a_device_reaches_its_own_topic_of_our_rule_if_that_is_wanted() -> None:
    (publish,) = [s for _, s in statements("DevicePolicy") if s["Action"] == "iot:Publish"]
    choices = [r["Fn::If"] for r in publish["Resource"] if "Fn::If" in r]

    [(condition, wanted, otherwise)] = choices
    assert condition == "HasBasicIngest"
    assert otherwise == {"Ref": "AWS::NoValue"}
    rule = filled(RESOURCES["FramesRule"]["Properties"]["RuleName"])
    assert filled(wanted) == filled(
        {"Fn::Sub": f"{IOT}topic/{topics.through(rule, ours('frames'))}"}
    )


def test_a_device_may_upload_under_its_own_name_and_read_nothing() -> None:
    assert allowed("DeviceRole", "s3:PutObject") == [
        "${MediaBucket.Arn}/frames/${!credentials-iot:ThingName}/*",
        "${MediaBucket.Arn}/segments/${!credentials-iot:ThingName}/*",
    ]
    alias = RESOURCES["DeviceRoleAlias"]["Properties"]["RoleAlias"]["Fn::Sub"]
    assert allowed("DevicePolicy", "iot:AssumeRoleWithCertificate") == [f"rolealias/{alias}"]


def test_an_operator_cannot_answer_for_the_cloud() -> None:
    channels = [text.rpartition("/")[2] for text in allowed("OperatorPolicy", "iot:Publish")]

    assert channels == ["frames", "commands"]


@pytest.mark.parametrize("name", list(of_type("AWS::IoT::Policy")))
def test_aws_iot_takes_each_policy(name: str) -> None:
    document = filled(RESOURCES[name]["Properties"]["PolicyDocument"])
    text = json.dumps(document, separators=(",", ":")).replace("${!", "${")

    # Source: AWS IoT Core API reference, CreatePolicy: 2048 characters, white space not counted.
    assert len("".join(text.split())) <= 2048
