"""The function's settings, and that the template gives exactly them."""

from dataclasses import fields
from pathlib import Path

import pytest

from cloud.environment import read
from cloud.settings import Settings
from sightline.errors import ConfigError
from sightline.faces.detector import SMALLEST_FACE_PX

GIVEN = {
    "SIGHTLINE_MEDIA_BUCKET": "media",
    "SIGHTLINE_PEOPLE_TABLE": "people",
    "SIGHTLINE_FACES_TABLE": "faces",
    "SIGHTLINE_SIGHTINGS_TABLE": "sightings",
    "SIGHTLINE_META_TABLE": "meta",
    "SIGHTLINE_IOT_ENDPOINT": "",
    "SIGHTLINE_ENGINE": "dlib",
    "SIGHTLINE_SIGHTING_DAYS": "30",
    "SIGHTLINE_SMALLEST_FACE_PX": "20",
    "SIGHTLINE_LONGEST_SIDE_PX": "1920",
    "SIGHTLINE_THREADS": "2",
    "SIGHTLINE_MODELS": "/opt/sightline",
    "SIGHTLINE_GALLERY_FOLDER": "/tmp",
    "SIGHTLINE_STACK": "sightline",
}


def test_all_is_read_from_the_environment() -> None:
    settings = read(Settings, {**GIVEN, "PATH": "/bin", "AWS_REGION": "eu-west-1"})

    assert settings.media_bucket == "media"
    assert settings.sighting_days == 30
    assert settings.smallest_face_px == 20
    assert settings.longest_side_px == 1920
    assert settings.threads == 2
    assert settings.models == Path("/opt/sightline")
    assert settings.gallery_folder == Path("/tmp")
    assert settings.stack == "sightline"
    assert read(Settings, {**GIVEN, "SIGHTLINE_GALLERY_FOLDER": ""}).gallery_folder is None


def test_the_template_sets_exactly_these() -> None:
    text = (Path(__file__).parents[2] / "infra" / "template.yaml").read_text()
    names = {f"SIGHTLINE_{field.name.upper()}" for field in fields(Settings)}

    assert names == set(GIVEN)
    assert [name for name in names if f"{name}: " not in text] == []


@pytest.mark.parametrize("name", [name for name in GIVEN if "BUCKET" in name or "TABLE" in name])
def test_what_is_missing_is_named(name: str) -> None:
    for environment in ({k: v for k, v in GIVEN.items() if k != name}, {**GIVEN, name: ""}):
        with pytest.raises(ConfigError, match=name):
            read(Settings, environment)


@pytest.mark.parametrize("days", ["0", "-1", "many", "", "3651"])
def test_days_that_are_no_days_are_refused(days: str) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_SIGHTING_DAYS"):
        read(Settings, {**GIVEN, "SIGHTLINE_SIGHTING_DAYS": days})


@pytest.mark.parametrize(
    ("name", "value"),
    [("SMALLEST_FACE_PX", "11"), ("SMALLEST_FACE_PX", "4.5"), ("LONGEST_SIDE_PX", "319")],
)
def test_a_number_of_pixels_that_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"SIGHTLINE_{name} is"):
        read(Settings, {**GIVEN, f"SIGHTLINE_{name}": value})


def test_the_smallest_face_unless_told_is_the_detectors() -> None:
    given = {k: v for k, v in GIVEN.items() if not k.endswith("_PX")}

    assert read(Settings, given).smallest_face_px == SMALLEST_FACE_PX


def test_a_misspelt_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean SIGHTLINE_ENGINE"):
        read(Settings, {**GIVEN, "SIGHTLINE_ENGIN": "dlib"})


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
    assert read(Settings, {**GIVEN, "SIGHTLINE_IOT_ENDPOINT": endpoint}).iot_url == url
