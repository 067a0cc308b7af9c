"""What may be set, read off `template.yaml`: descriptions, bounds, defaults, the console's form."""

import json
import re
from typing import Any

import pytest

from cloud.settings import Settings
from tests.infra.reading import TEMPLATE

PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_every_parameter_is_described_and_constrained(name: str) -> None:
    parameter = PARAMETERS[name]

    assert len(parameter["Description"]) > 30
    assert "Default" in parameter
    if parameter["Type"] == "Number":
        assert "AllowedValues" in parameter or {"MinValue", "MaxValue"} <= set(parameter)
    else:
        assert {"AllowedValues", "AllowedPattern"} & set(parameter)
    if {"MinValue", "AllowedPattern"} & set(parameter):
        assert parameter["ConstraintDescription"].startswith("must be ")


def test_every_parameter_is_used_and_stands_in_the_consoles_form_once() -> None:
    form = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    rest = json.dumps({k: v for k, v in TEMPLATE.items() if k not in ("Parameters", "Metadata")})

    assert sorted(shown) == sorted(PARAMETERS)
    assert set(form["ParameterLabels"]) == set(PARAMETERS)
    for name in PARAMETERS:
        assert f'"Ref": "{name}"' in rest or "${" + name + "}" in rest, name


def test_the_defaults_are_good_for_a_new_account() -> None:
    default = {name: parameter["Default"] for name, parameter in PARAMETERS.items()}

    assert default["MemoryMb"] <= 3008  # a new account's most
    assert default["ReservedConcurrency"] == 0  # of its 10 none may be reserved
    assert default["MaxFrameAgeSeconds"] == 60
    assert default["Architecture"] == "arm64"
    assert (default["AlarmEmail"], default["MonthlyBudget"]) == ("", 0)
    assert default["BasicIngest"] == "false"
    assert default["VideoConcurrency"] <= 5  # of its 10 functions at once
    assert default["ApiAuth"] == "keys"


def test_what_a_parameter_may_be_is_what_the_settings_take() -> None:
    given = dict.fromkeys(("media_bucket", "people_table", "faces_table"), "x")
    given |= dict.fromkeys(("sightings_table", "meta_table"), "x")
    for field, name in (
        ("sighting_days", "SightingDays"),
        ("smallest_face_px", "SmallestFacePx"),
        ("longest_side_px", "LongestSidePx"),
        ("threads", "Threads"),
    ):
        for bound in ("MinValue", "MaxValue"):
            Settings(**{**given, field: PARAMETERS[name][bound]})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n, p in PARAMETERS.items() if "AllowedPattern" in p])
def test_a_default_is_one_of_those_that_are_allowed(name: str) -> None:
    parameter = PARAMETERS[name]

    assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "ImageUri",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sightline@sha256:" + "a" * 64,
            "docker.io/library/nginx:1",
        ),
        ("IotEndpoint", "https://abc-ats.iot.eu-central-1.amazonaws.com", "abc.com/path"),
        ("IotEndpoint", "http://127.0.0.1:4566", "127.0.0.1:port"),
        ("AlarmEmail", "ops@example.org", "ops at example.org"),
        ("BucketPrefix", "my-course-2026", "My_Course"),
        ("VideoSampling", "scenes:0.3", "now and then"),
        ("VideoImageUri", "123456789012.dkr.ecr.us-east-1.amazonaws.com/sightline:video-1", "x:1"),
        ("CodeBucket", "sightline-code-123456789012-eu-central-1", "A_Bucket"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, good: str, bad: str) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]

    assert re.fullmatch(pattern, good)
    assert not re.fullmatch(pattern, bad)


def test_what_goes_only_together_is_refused_apart() -> None:
    said = {
        name: rule["Assertions"][0]["AssertDescription"] for name, rule in TEMPLATE["Rules"].items()
    }

    assert "ImageUri" in said["ImageIsGiven"]
    assert len(TEMPLATE["Rules"]["ImageIsGiven"]["Assertions"]) == 2  # of two images
    assert "AlarmEmail" in said["BudgetTellsSomebody"]
