"""`template.yaml` as a value: its short tags written out, and types left out by name."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from sightline.errors import ConfigError

TEMPLATE = Path(__file__).with_name("template.yaml")

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags: `!Ref x` becomes `{"Ref": "x"}`, `!Sub x` its function."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.YAMLError(f"a tag on {node}")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tagged)


def load(path: Path = TEMPLATE) -> Template:
    """Read a template.

    Raises:
        ConfigError: It is not there, or not YAML.
    """
    try:
        with path.open(encoding="utf-8") as text:
            template: Template = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except OSError as err:
        raise ConfigError(f"cannot read {path}: {err.strerror}") from err
    except yaml.YAMLError as err:
        raise ConfigError(f"{path} is not a template: {err}") from err
    return template


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A resource that was taken out."""

    name: str
    type: str


def leave_out(template: Template, types: Mapping[str, str]) -> tuple[Template, list[LeftOut]]:
    """Take out every resource of *types*.

    Args:
        template: Is not changed.
        types: The property that names such a resource, by type: a `Ref` to it becomes that.

    Raises:
        ConfigError: Something needs more of a resource than its name.
    """
    template = copy.deepcopy(template)
    resources = template["Resources"]
    gone = {name: body for name, body in resources.items() if body["Type"] in types}
    names = {name: body["Properties"].get(types[body["Type"]], name) for name, body in gone.items()}
    for name in gone:
        del resources[name]
    replaced: Template = _replace(template, names)
    return replaced, [LeftOut(name=n, type=b["Type"]) for n, b in gone.items()]


def _replace(node: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_replace(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"} and node["Ref"] in names:
        return names[node["Ref"]]
    if "Fn::GetAtt" in node and node["Fn::GetAtt"][0] in names:
        raise ConfigError(f"the template needs {node['Fn::GetAtt']}, which is left out here")
    result = {key: _replace(value, names) for key, value in node.items()}
    if "DependsOn" in result:
        needs = result["DependsOn"]
        left = [n for n in ([needs] if isinstance(needs, str) else needs) if n not in names]
        result["DependsOn"] = left
    return result


def kept(template: Template) -> frozenset[str]:
    """Names of the resources that a template keeps when its stack goes, for what they hold."""
    return frozenset(
        name
        for name, resource in template["Resources"].items()
        if str(resource.get("DeletionPolicy", "")).startswith("Retain")
    )


def function_names(template: Template, stack: str) -> Iterable[str]:
    """The names that the template's functions have in a stack of that name."""
    for logical, body in template["Resources"].items():
        if body["Type"] == "AWS::Lambda::Function":
            yield function_name(template, logical, stack)


def function_name(template: Template, logical: str, stack: str) -> str:
    """The name that one function of the template has in a stack of that name."""
    name: str = template["Resources"][logical]["Properties"]["FunctionName"]["Fn::Sub"]
    return name.replace("${AWS::StackName}", stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The names of the template's functions, by who invokes them.

    Attributes:
        hooked: AWS IoT waits for their answer before it provisions a device.
        requested: API Gateway waits for their answer to a request.
        polled: A queue's poller waits for them, and gives a message again that they failed.
        streamed: A topic rule sends them a device's frames, which come at any time.
    """

    hooked: frozenset[str]
    requested: frozenset[str]
    polled: frozenset[str]
    streamed: frozenset[str]


def callers(template: Template, stack: str) -> Callers:
    """Find out who invokes the functions of a stack of that name; all others are told of events."""
    targets: dict[str, set[str]] = {each.name: set() for each in fields(Callers)}
    for body in template["Resources"].values():
        properties = body.get("Properties", {})
        match body["Type"]:
            case "AWS::IoT::ProvisioningTemplate":
                hook = properties.get("PreProvisioningHook", {})
                targets["hooked"] |= _named(hook.get("TargetArn"))
            case "AWS::ApiGatewayV2::Integration":
                targets["requested"] |= _named(properties["IntegrationUri"])
            case "AWS::Lambda::EventSourceMapping":
                targets["polled"] |= _named(properties["FunctionName"])
            case "AWS::IoT::TopicRule":
                for action in properties["TopicRulePayload"]["Actions"]:
                    targets["streamed"] |= _named(action.get("Lambda", {}).get("FunctionArn"))
    return Callers(
        **{
            kind: frozenset(function_name(template, each, stack) for each in found)
            for kind, found in targets.items()
        }
    )


def _named(reference: Mapping[str, Any] | None) -> set[str]:
    """The resource that a `Ref` or `GetAtt` names, if any."""
    if not reference:
        return set()
    return {reference["Ref"] if "Ref" in reference else reference["Fn::GetAtt"][0]}
