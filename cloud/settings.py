"""What the function is told by its environment (`infra/template.yaml` sets it)."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from sightline.errors import ConfigError

PREFIX = "SIGHTLINE_"
MAX_SIGHTING_DAYS = 3650

# Least, most and unit of what is a number. `sightline.faces.detector` looks for no smaller face,
# and Pillow opens no larger JPEG; neither is imported, since they would make `Settings` slow.
_RANGES = {
    "sighting_days": (1, MAX_SIGHTING_DAYS, "days"),
    "smallest_face_px": (12, 1000, "px"),
    "longest_side_px": (320, 65500, "px"),
    "threads": (1, 16, "threads"),
}

_PATHS = {"models", "gallery_folder"}
_REQUIRED = ("media_bucket", "people_table", "faces_table", "sightings_table", "meta_table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field a variable: `media_bucket` is `SIGHTLINE_MEDIA_BUCKET`."""

    media_bucket: str
    people_table: str
    faces_table: str
    sightings_table: str
    meta_table: str
    iot_endpoint: str = ""  # host or URL; empty: boto3's own, AWS_ENDPOINT_URL included
    engine: str = "dlib"
    sighting_days: int = 90
    smallest_face_px: int = 40  # the side of the smallest face looked for
    longest_side_px: int = 1280  # a JPEG at least twice as long is looked at reduced
    threads: int = 1  # of each network
    models: Path = field(default=Path("/opt/sightline"))
    gallery_folder: Path | None = None  # where a copy of the gallery is kept for the next process
    stack: str = ""  # the name that metrics go under; empty: none are written

    def __post_init__(self) -> None:
        for name in (*_REQUIRED, "engine"):
            _check_given(name, getattr(self, name))
        for name, (least, most, unit) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"{_variable(name)} is {getattr(self, name)}; give {least} to {most} {unit}"
                )

    @property
    def iot_url(self) -> str | None:
        """The data endpoint's URL; None leaves it to boto3."""
        if not self.iot_endpoint or "://" in self.iot_endpoint:
            return self.iot_endpoint or None
        return f"https://{self.iot_endpoint}"

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings out of *environment*.

        Raises:
            ConfigError: A variable is missing, wrong or unknown; it says which.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX)
        }
        known = [setting.name for setting in fields(cls)]
        for name in sorted(set(given) - set(known)):
            raise ConfigError(f"{_variable(name)} is no setting here{_hint(name, known)}")
        for name in _REQUIRED:
            _check_given(name, given.get(name, ""))
        arguments: dict[str, object] = dict(given)
        for name in _RANGES.keys() & given.keys():
            arguments[name] = _whole_number(name, given[name])
        for name in _PATHS & given.keys():
            arguments[name] = Path(given[name]) if given[name] else None
        return cls(**arguments)  # type: ignore[arg-type]  # checked by name above


def _check_given(name: str, value: str) -> None:
    if not value:
        raise ConfigError(f"{_variable(name)} is not set; the stack's template sets it")


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as err:
        raise ConfigError(f"{_variable(name)} is {text!r}, not a whole number") from err


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {_variable(near[0])}?" if near else ""
