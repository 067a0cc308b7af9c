"""`template.yaml` as a value: its short tags written out, and types left out by name."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def with_literal_names(template: Template, pseudo: Mapping[str, str]) -> Template:
    """Write out the names of resources that outlive their stack.

    CloudFormation takes up an existing resource again (`ImportExistingResources`) only if its name
    stands in the template as it is.

    Args:
        template: Is not changed.
        pseudo: `AWS::StackName` and its like, by name.
    """
    template = copy.deepcopy(template)
    for body in template["Resources"].values():
        if not str(body.get("DeletionPolicy", "")).startswith("Retain"):
            continue
        for name, value in body["Properties"].items():
            if isinstance(value, dict) and isinstance(value.get("Fn::Sub"), str):
                text = value["Fn::Sub"]
                for key, literal in pseudo.items():
                    text = text.replace("${" + key + "}", literal)
                body["Properties"][name] = value if "${" in text else text
    return template


def function_names(template: Template, stack: str) -> Iterable[str]:
    """The names that the template's functions have in a stack of that name."""
    for body in template["Resources"].values():
        if body["Type"] == "AWS::Lambda::Function":
            yield body["Properties"]["FunctionName"]["Fn::Sub"].replace("${AWS::StackName}", stack)


def hooks(template: Template, stack: str) -> set[str]:
    """The names of the functions that AWS IoT waits for before it provisions a device."""
    found = set()
    for body in template["Resources"].values():
        hook = body.get("Properties", {}).get("PreProvisioningHook")
        if hook:
            function = template["Resources"][hook["TargetArn"]["Fn::GetAtt"][0]]
            name = function["Properties"]["FunctionName"]["Fn::Sub"]
            found.add(name.replace("${AWS::StackName}", stack))
    return found
