"""A device's settings from the operator's side: its shadow, by the paths of device.toml."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from device.remote.live_settings import check, defaults, flat, nested
from device.remote.shadow import ANSWERS, digest
from infra.account import error_code, translated
from infra.target import Target
from sightline.errors import ConfigError
from sightline.topics import check_device

_MISSING = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What a shadow says, by path.

    Attributes:
        desired: What was asked for.
        reported: What is in force; empty of a device that has never said so.
        errors: Why something that was asked for is not in force.
        answered: The device has seen what is asked for now; else `errors` may be about what was
            asked for before.
    """

    desired: Mapping[str, Any]
    reported: Mapping[str, Any]
    errors: Mapping[str, str]
    answered: bool

    def waits(self) -> list[str]:
        """Give the paths of what was asked for, and what the device does not know of yet."""
        if self.answered:
            return []
        return [path for path, value in self.desired.items() if self.reported.get(path) != value]


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Read `frames.interval_s=2 gate.mode=motion`; `KEY=` means as device.toml has it: None.

    Raises:
        ConfigError: It is not of that form, there is no such setting, or it cannot be that.
    """
    values: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r}: expected KEY=VALUE, such as frames.interval_s=2")
        values[path.strip()] = _value(text.strip())
    known = defaults()  # what goes back to device.toml is checked by its name alone
    check({path: known.get(path) if value is None else value for path, value in values.items()})
    return values


def ask(target: Target, thing: str, values: Mapping[str, Any]) -> None:
    """Ask a device for settings; it takes them when it is connected.

    Raises:
        ConfigError: There is no such device, or we may not.
        TransportError: AWS is out of reach.
    """
    payload = json.dumps({"state": {"desired": nested(values)}}).encode()
    _check_thing(target, thing)
    with translated(f"asking {thing} for settings"):
        target.client("iot-data").update_thing_shadow(thingName=thing, payload=payload)


def read(target: Target, thing: str) -> DeviceSettings:
    """Read a device's shadow.

    Raises:
        ConfigError: There is no such device, or we may not.
        TransportError: AWS is out of reach.
    """
    with translated(f"reading the shadow of {thing}"):
        try:
            found = target.client("iot-data").get_thing_shadow(thingName=check_device(thing))
        except ClientError as err:
            if error_code(err) != _MISSING:
                raise
            _check_thing(target, thing)
            return DeviceSettings(desired={}, reported={}, errors={}, answered=False)
    state = json.loads(found["payload"].read()).get("state", {})
    reported = dict(state.get("reported") or {})
    errors, answers = reported.pop("errors", None), reported.pop(ANSWERS, None)
    return DeviceSettings(
        desired=flat(state.get("desired") or {}),
        reported=flat(reported),
        errors={str(k): str(v) for k, v in errors.items()} if isinstance(errors, dict) else {},
        answered=answers == digest(state.get("desired")),
    )


def settled(
    target: Target,
    thing: str,
    wait_s: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> DeviceSettings:
    """Read a device's shadow once all that was asked for is in force or refused, or in *wait_s*."""
    end_s = clock() + wait_s
    while not (found := read(target, thing)).answered and clock() < end_s:
        sleep(0.25)
    return found


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text  # gate.mode=motion


def _check_thing(target: Target, thing: str) -> None:
    with translated(f"looking for {thing}"):
        try:
            target.client("iot").describe_thing(thingName=check_device(thing))
        except ClientError as err:
            if error_code(err) != _MISSING:
                raise
            raise ConfigError(f"there is no device {thing}; ./run status lists them") from err
