"""The links into the console among the template's outputs, resolved as CloudFormation does."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from infra import template

TEMPLATE = template.load()
LINKS = {name: each for name, each in TEMPLATE["Outputs"].items() if name.endswith("Link")}
REGION = "eu-central-1"
QUEUE = f"https://sqs.{REGION}.amazonaws.com/123456789012/sightline-dead-letters"
# What a reference becomes: name in the template -> what CloudFormation calls the resource.
REFERENCES = {
    "AWS::Region": REGION,
    "AWS::StackName": "sightline",
    "DeadLetters": QUEUE,
    "RecognizeLog": "/aws/lambda/sightline-recognize",
    "FramesRule": "sightline_frames",
    "Recognize": "sightline-recognize",
    "Dashboard": "sightline",
    "MediaBucket": "sightline-media-123456789012-eu-central-1",
    "PeopleTable": "sightline-people",
    "FacesTable": "sightline-faces",
    "SightingsTable": "sightline-sightings",
    "MetaTable": "sightline-meta",
    "SerialsTable": "sightline-serials",
    "InputBucket": "mine-input",
    "OutputBucket": "mine-output",
    "VideosTable": "sightline-videos",
}
# What each must lead to; all but the test client name a resource of the template by reference.
LEADS_TO = {
    "TestClientLink": None,
    "RuleLink": "FramesRule",
    "FunctionLink": "Recognize",
    "FunctionLogLink": "RecognizeLog",
    "DashboardLink": "Dashboard",
    "DeadLettersLink": "DeadLetters",
    "MediaLink": "MediaBucket",
    "PeopleLink": "PeopleTable",
    "FacesLink": "FacesTable",
    "SightingsLink": "SightingsTable",
    "MetaLink": "MetaTable",
    "SerialsLink": "SerialsTable",
    "InputLink": "InputBucket",
    "OutputLink": "OutputBucket",
    "VideosLink": "VideosTable",
}


def resolved(value: Any, used: set[str]) -> Any:
    """Resolve Ref, Sub, Join and Split; note in *used* what is referred to."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [resolved(each, used) for each in value]
    ((function, given),) = value.items()
    if function == "Ref":
        used.add(given)
        return REFERENCES[given]
    if function == "Fn::Join":
        between, parts = given
        return between.join(resolved(parts, used))
    if function == "Fn::Split":
        between, text = given
        return resolved(text, used).split(between)
    assert function == "Fn::Sub"
    text, own = given if isinstance(given, list) else (given, {})

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return str(resolved(own.get(name, {"Ref": name}), used))

    return re.sub(r"\$\{([\w:]+)\}", replace, text)


def test_there_is_a_link_to_each() -> None:
    assert set(LINKS) == set(LEADS_TO)
    tables = {k for k, v in TEMPLATE["Resources"].items() if v["Type"] == "AWS::DynamoDB::Table"}
    assert tables - {"KeysTable"} <= set(LEADS_TO.values())  # hashes tell nobody anything


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_a_url_of_the_regions_console_and_names_its_resource(name: str) -> None:
    used: set[str] = set()
    url = resolved(LINKS[name]["Value"], used)

    parts = urlsplit(url)
    assert parts.scheme == "https"
    assert parts.hostname == f"{REGION}.console.aws.amazon.com"
    assert f"region={REGION}" in parts.query
    assert re.fullmatch(r"[!-~]+", url)
    assert "${" not in url
    wanted = LEADS_TO[name]
    assert used == {"AWS::Region", *([wanted] if wanted else [])}
    if wanted:
        assert wanted in TEMPLATE["Resources"]
        # The console's log pages escape twice, with $25 for %.
        plain = unquote(unquote(url.replace("$25", "%25")))
        assert REFERENCES[wanted] in plain


def test_a_queues_address_is_escaped_whole() -> None:
    url = resolved(LINKS["DeadLettersLink"]["Value"], set())

    assert url.endswith(f"#/queues/https%3A%2F%2Fsqs.{REGION}.amazonaws.com%2F123456789012%2F"
                        "sightline-dead-letters")  # fmt: skip


def test_the_logs_address_is_in_the_consoles_own_escape() -> None:
    url = resolved(LINKS["FunctionLogLink"]["Value"], set())

    assert url.endswith("#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fsightline-recognize")


@pytest.mark.parametrize("name", LINKS)
def test_there_are_no_links_where_the_console_is_elsewhere(name: str) -> None:
    assert LINKS[name]["Condition"] == "HasConsoleLinks"
    condition = TEMPLATE["Conditions"]["HasConsoleLinks"]
    assert condition == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]}
    assert LINKS[name]["Description"]
