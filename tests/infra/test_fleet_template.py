"""The template's section on fleets holds what the code that lives by it says."""

import json
import re
from dataclasses import fields
from typing import Any

import pytest

from cloud.admit import AdmitSettings
from infra import template
from sightline.fleet import (
    CLAIM_CLIENTS,
    CSR_TOPIC,
    SERIAL_PARAMETER,
    THING_PARAMETER,
    register_topic,
)

BODY = template.load()
RESOURCES: dict[str, Any] = BODY["Resources"]
LONGEST = {  # of what stands in a policy: 29 characters are what a bucket's name leaves for a stack
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-7",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "s" * 29,
}
MOST_CHARACTERS = 2048  # of an IoT policy, white space apart; CreatePolicy says so


def written_out(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"Fn::Sub"}:
        text = value["Fn::Sub"]
        text = text if isinstance(text, str) else text[0].replace("${Rule}", "s" * 36)
        for name, literal in LONGEST.items():
            text = text.replace("${" + name + "}", literal)
        return text.replace("${!", "${")
    if isinstance(value, dict) and value.keys() == {"Fn::If"}:
        return max((written_out(each) for each in value["Fn::If"][1:]), key=lambda v: len(str(v)))
    if isinstance(value, dict):
        return {k: written_out(v) for k, v in value.items()}
    return [written_out(each) for each in value] if isinstance(value, list) else value


def policy(name: str) -> list[dict[str, Any]]:
    document = written_out(RESOURCES[name]["Properties"]["PolicyDocument"])
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


def allowed(name: str, action: str) -> list[str]:
    """Give the last parts of the resources that a policy allows an action on."""
    found = []
    for statement in policy(name):
        if statement["Action"] == action:
            given = statement["Resource"]
            found += [given] if isinstance(given, str) else given
    return [arn.split(":", 5)[5] for arn in found]


def fleet_template() -> dict[str, Any]:
    text = RESOURCES["FleetTemplate"]["Properties"]["TemplateBody"]["Fn::Sub"]
    body: dict[str, Any] = json.loads(text)
    return body


@pytest.mark.parametrize("name", ["ClaimPolicy", "RotationPolicy"])
def test_a_policy_for_certificates_allows_the_two_questions_and_their_answers(name: str) -> None:
    register = register_topic(LONGEST["AWS::StackName"] + "-fleet")

    assert allowed(name, "iot:Publish") == [f"topic/{CSR_TOPIC}", f"topic/{register}"]
    assert allowed(name, "iot:Subscribe") == [
        f"topicfilter/{CSR_TOPIC}/*",
        f"topicfilter/{register}/*",
    ]
    assert allowed(name, "iot:Receive") == [f"topic/{CSR_TOPIC}/*", f"topic/{register}/*"]


def test_a_claim_connects_under_a_claims_name_alone() -> None:
    assert allowed("ClaimPolicy", "iot:Connect") == [f"client/{CLAIM_CLIENTS}*"]
    assert {each["Action"] for each in policy("ClaimPolicy")} == {
        "iot:Connect",
        "iot:Publish",
        "iot:Subscribe",
        "iot:Receive",
    }


@pytest.mark.parametrize(
    "name", [n for n, body in RESOURCES.items() if body["Type"] == "AWS::IoT::Policy"]
)
def test_an_iot_policy_is_no_longer_than_aws_takes(name: str) -> None:
    written = json.dumps({"Version": "2012-10-17", "Statement": policy(name)})

    assert len(re.sub(r"\s", "", written)) <= MOST_CHARACTERS


def test_the_provisioning_template_takes_what_device_and_hook_give() -> None:
    body = fleet_template()

    assert set(body["Parameters"]) == {
        SERIAL_PARAMETER,
        THING_PARAMETER,
        "AWS::IoT::Certificate::Id",
    }
    thing = body["Resources"]["thing"]["Properties"]
    assert thing["ThingName"] == {"Ref": THING_PARAMETER}
    assert thing["AttributePayload"] == {"serial": {"Ref": SERIAL_PARAMETER}}
    kinds = [each["Type"].rpartition("::")[2] for each in body["Resources"].values()]
    assert kinds == ["Thing", "Certificate", "Policy", "Policy"]
    assert body["Resources"]["certificate"]["Properties"]["Status"] == "Active"


def test_nobody_is_provisioned_without_the_hook() -> None:
    properties = RESOURCES["FleetTemplate"]["Properties"]

    assert properties["TemplateType"] == "FLEET_PROVISIONING"
    assert properties["PreProvisioningHook"]["TargetArn"] == {"Fn::GetAtt": ["AdmitDevice", "Arn"]}
    assert RESOURCES["FleetTemplate"]["DependsOn"] == "AdmitPermission"
    permission = RESOURCES["AdmitPermission"]["Properties"]
    assert permission["SourceArn"]["Fn::Sub"].endswith(
        "provisioningtemplate/${AWS::StackName}-fleet"
    )
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert template.callers(BODY, "sightline").hooked == {"sightline-admit"}


def test_the_hook_is_given_what_its_settings_read_and_ends_before_aws_iot_stops_waiting() -> None:
    function = RESOURCES["AdmitDevice"]["Properties"]

    assert {f"SIGHTLINE_{each.name.upper()}" for each in fields(AdmitSettings)} == set(
        function["Environment"]["Variables"]
    )
    assert function["Timeout"] <= 5


def test_the_hook_may_bind_a_serial_number_and_log() -> None:
    (given,) = RESOURCES["AdmitRole"]["Properties"]["Policies"]
    statements = given["PolicyDocument"]["Statement"]

    actions = {each["Sid"]: each["Action"] for each in statements}
    assert actions == {
        "BindASerialNumber": "dynamodb:UpdateItem",
        "Log": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }


def test_who_provisions_may_do_what_the_template_says_and_no_more() -> None:
    (given,) = RESOURCES["FleetRole"]["Properties"]["Policies"]
    statements = written_out(given["PolicyDocument"]["Statement"])
    actions = {a for each in statements for a in _list(each["Action"])}

    # Of these AWSIoTThingsRegistration has more, on any resource: policies are made by it, groups
    # changed, certificates registered, and everything detached.
    assert actions == {
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:CreateThing",
        "iot:DescribeCertificate",
        "iot:DescribeThing",
        "iot:GetPolicy",
        "iot:ListAttachedPolicies",
        "iot:ListPrincipalThings",
        "iot:ListThingPrincipals",
        "iot:UpdateCertificate",
        "iot:UpdateThing",
    }
    assert all(resource != "*" for each in statements for resource in _list(each["Resource"]))


def test_the_list_of_serial_numbers_outlives_the_stack() -> None:
    assert RESOURCES["SerialsTable"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES["SerialsTable"]["UpdateReplacePolicy"] == "Retain"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
