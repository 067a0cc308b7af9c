"""The function's settings, and that the template gives exactly them."""

from dataclasses import fields
from pathlib import Path

import pytest

from cloud.settings import Settings
from sightline.errors import ConfigError

GIVEN = {
    "SIGHTLINE_MEDIA_BUCKET": "media",
    "SIGHTLINE_PEOPLE_TABLE": "people",
    "SIGHTLINE_FACES_TABLE": "faces",
    "SIGHTLINE_SIGHTINGS_TABLE": "sightings",
    "SIGHTLINE_META_TABLE": "meta",
    "SIGHTLINE_IOT_ENDPOINT": "",
    "SIGHTLINE_ENGINE": "dlib",
    "SIGHTLINE_SIGHTING_DAYS": "30",
    "SIGHTLINE_MODELS": "/opt/sightline",
}


def test_all_is_read_from_the_environment() -> None:
    settings = Settings.from_env({**GIVEN, "PATH": "/bin", "AWS_REGION": "eu-west-1"})

    assert settings.media_bucket == "media"
    assert settings.sighting_days == 30
    assert settings.models == Path("/opt/sightline")


def test_the_template_sets_exactly_these() -> None:
    text = (Path(__file__).parents[2] / "infra" / "template.yaml").read_text()
    names = {f"SIGHTLINE_{field.name.upper()}" for field in fields(Settings)}

    assert names == set(GIVEN)
    assert [name for name in names if f"{name}: " not in text] == []


@pytest.mark.parametrize("name", [name for name in GIVEN if "BUCKET" in name or "TABLE" in name])
def test_what_is_missing_is_named(name: str) -> None:
    for environment in ({k: v for k, v in GIVEN.items() if k != name}, {**GIVEN, name: ""}):
        with pytest.raises(ConfigError, match=name):
            Settings.from_env(environment)


@pytest.mark.parametrize("days", ["0", "-1", "many", "", "3651"])
def test_days_that_are_no_days_are_refused(days: str) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_SIGHTING_DAYS"):
        Settings.from_env({**GIVEN, "SIGHTLINE_SIGHTING_DAYS": days})


def test_a_misspelt_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean SIGHTLINE_ENGINE"):
        Settings.from_env({**GIVEN, "SIGHTLINE_ENGIN": "dlib"})


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("", None),
        ("abc-ats.iot.eu-west-1.amazonaws.com", "https://abc-ats.iot.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    ],
)
def test_the_data_endpoint_may_be_a_host_a_url_or_boto3s_own(
    endpoint: str, url: str | None
) -> None:
    assert Settings.from_env({**GIVEN, "SIGHTLINE_IOT_ENDPOINT": endpoint}).iot_url == url
