"""`template.yaml` as tests read it: its statements, its types, and texts with all names put in."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra import template

TEMPLATE = template.load()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"
THING = "${!iot:Connection.Thing.ThingName}"

# The longest there are, so that what fits with them fits everywhere. A longer stack's name than 27
# characters makes a bucket's too long.
PSEUDO = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "s" * 27,
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_type(name: str) -> dict[str, dict[str, Any]]:
    return {k: v["Properties"] for k, v in RESOURCES.items() if v["Type"] == name}


def written(resource: Any) -> str:
    """A resource as one text, whatever functions it is made with."""
    return json.dumps(resource)


def statements(*resources: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy: roles', resources' and IoT's; or of those *resources*."""
    for name, body in RESOURCES.items():
        if resources and name not in resources:
            continue
        properties = body["Properties"]
        documents = [
            properties.get("PolicyDocument"),
            *(policy["PolicyDocument"] for policy in properties.get("Policies", [])),
        ]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                yield name, statement


# Conditions that are not met unless the operator says so; all others count as met.
UNMET = ("HasBucketPrefix", "HasIamApi")


def filled(node: Any, names: Mapping[str, str] = PSEUDO) -> Any:
    """Put *names* into every text, take conditions as by default, and name what is referred to."""
    if isinstance(node, list):
        return [filled(each, names) for each in node if each != {"Ref": "AWS::NoValue"}]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, met, unmet = node["Fn::If"]
        return filled(unmet if condition in UNMET else met, names)
    if "Ref" in node:
        return names.get(node["Ref"], node["Ref"])
    if "Fn::GetAtt" in node:
        return ".".join(node["Fn::GetAtt"])
    if "Fn::Join" in node:
        separator, parts = node["Fn::Join"]
        return separator.join(filled(parts, names))
    if "Fn::Split" in node:
        separator, text = node["Fn::Split"]
        return filled(text, names).split(separator)
    if "Fn::Sub" in node:
        text, *more = as_list(node["Fn::Sub"])
        own = {**names, **filled(more[0], names)} if more else names
        for name, value in own.items():
            text = text.replace("${" + name + "}", str(value))
        return text
    return {key: filled(value, names) for key, value in node.items()}
