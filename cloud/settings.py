"""What the function is told by its environment (`infra/template.yaml` sets it)."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from sightline.errors import ConfigError

PREFIX = "SIGHTLINE_"
MAX_SIGHTING_DAYS = 3650

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
    models: Path = field(default=Path("/opt/sightline"))

    def __post_init__(self) -> None:
        for name in (*_REQUIRED, "engine"):
            _check_given(name, getattr(self, name))
        if not 1 <= self.sighting_days <= MAX_SIGHTING_DAYS:
            raise ConfigError(
                f"{PREFIX}SIGHTING_DAYS is {self.sighting_days}; give 1 to {MAX_SIGHTING_DAYS} days"
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
        if "sighting_days" in given:
            arguments["sighting_days"] = _whole_number("sighting_days", given["sighting_days"])
        if "models" in given:
            arguments["models"] = Path(given["models"])
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
