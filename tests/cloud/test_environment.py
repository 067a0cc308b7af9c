"""Settings out of an environment."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.environment import read
from sightline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    bucket: str
    rooms: int = 1
    share: float = 0.5
    bright: bool = False
    folder: Path = Path("/a")
    spare: Path | None = Path("/b")


def test_each_kind_of_field_is_read() -> None:
    lamp = read(
        Lamp,
        {
            "SIGHTLINE_BUCKET": "b",
            "SIGHTLINE_ROOMS": "3",
            "SIGHTLINE_SHARE": "0.25",
            "SIGHTLINE_BRIGHT": "true",
            "SIGHTLINE_FOLDER": "/c",
            "SIGHTLINE_SPARE": "",
            "HOME": "/root",
        },
    )

    assert lamp == Lamp(bucket="b", rooms=3, share=0.25, bright=True, folder=Path("/c"), spare=None)


def test_what_has_a_default_may_be_left_out() -> None:
    assert read(Lamp, {"SIGHTLINE_BUCKET": "b"}) == Lamp(bucket="b")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ROOMS", "two", "SIGHTLINE_ROOMS is 'two', not a whole number"),
        ("SHARE", "half", "SIGHTLINE_SHARE is 'half', not a number"),
        ("BRIGHT", "yes", "SIGHTLINE_BRIGHT is 'yes', not true or false"),
        ("BUCKETT", "b", "SIGHTLINE_BUCKETT is no setting here; did you mean SIGHTLINE_BUCKET"),
        ("BUCKET", "", "SIGHTLINE_BUCKET is not set; the stack's template sets it"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read(Lamp, {"SIGHTLINE_BUCKET": "b", f"SIGHTLINE_{name}": value})
