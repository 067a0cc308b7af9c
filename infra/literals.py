"""What a template's texts come to, once a stack's name, place and parameters are known."""

from collections.abc import Mapping
from typing import Any

from infra import template
from infra.account import Account
from infra.template import Template


def names(account: Account, stack: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """What stands for `${…}` in a stack: its parameters, and what CloudFormation itself knows.

    Raises:
        ConfigError: AWS does not say who we are.
        TransportError: AWS is out of reach.
    """
    return {
        **parameters,
        "AWS::StackName": stack,
        "AWS::Region": account.region,
        "AWS::AccountId": account.account_id(),
    }


def literal(body: Template, value: Any, known: Mapping[str, str]) -> str | None:
    """Write *value* out; None if that takes more than is *known*.

    Args:
        body: The template, for its conditions.
        value: A text, or a `Sub`, `Ref` or `If` that makes one.
        known: What stands for `${…}`, by name.
    """
    match value:
        case str():
            return value
        case {"Ref": name}:
            return known.get(name)
        case {"Fn::Sub": str(text)}:
            for name, each in known.items():
                text = text.replace("${" + name + "}", each)
            return None if "${" in text else text
        case {"Fn::If": [condition, then, otherwise]}:
            holds = _holds(body, {"Condition": condition}, known)
            return None if holds is None else literal(body, then if holds else otherwise, known)
    return None


def _holds(body: Template, condition: Any, known: Mapping[str, str]) -> bool | None:
    match condition:
        case {"Condition": name}:
            return _holds(body, body["Conditions"][name], known)
        case {"Fn::Not": [inner]}:
            holds = _holds(body, inner, known)
            return None if holds is None else not holds
        case {"Fn::Equals": [left, right]}:
            ours, theirs = literal(body, left, known), literal(body, str(right), known)
            return None if ours is None else ours == theirs
    return None


def with_literal_names(body: Template, known: Mapping[str, str]) -> Template:
    """Write out the names of resources that outlive their stack.

    CloudFormation takes up an existing resource again (`ImportExistingResources`) only if its name
    stands in the template as it is.

    Args:
        body: The template; it is not changed.
        known: What stands for `${…}`, by name.
    """
    resources = dict(body["Resources"])
    for name in template.kept(body):
        properties = {
            key: literal(body, value, known) or value if _is_name(value) else value
            for key, value in resources[name]["Properties"].items()
        }
        resources[name] = {**resources[name], "Properties": properties}
    return {**body, "Resources": resources}


def given_names(body: Template, type_: str, key: str, known: Mapping[str, str]) -> list[str]:
    """The names that a template gives to its resources of a type, so far as they are its own."""
    found = (
        literal(body, value, known)
        for resource in body["Resources"].values()
        if resource["Type"] == type_ and _is_name(value := resource["Properties"].get(key))
    )
    return [name for name in found if name]


def _is_name(value: Any) -> bool:
    """Whether it is made for this stack; a plain text is somebody else's name."""
    match value:
        case {"Fn::Sub": str()}:
            return True
        case {"Fn::If": [_, then, otherwise]}:
            return _is_name(then) and _is_name(otherwise)
    return False
