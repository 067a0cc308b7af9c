"""Settings that may change while the agent runs: checked as device.toml is, in force at once.

Who follows a setting registers with `LiveSettings.watch`. What nobody follows is refused rather
than taken and forgotten.
"""

import contextlib
import dataclasses
import difflib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from device import tables
from device.settings import Settings
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

# Sections of device.toml, or single keys, as paths.
FRAMES = ("frames.interval_s", "frames.jpeg_quality", "gate")
STATUS = ("status.every_s",)
RECORDING = (
    "recording.enabled",
    "recording.duration_s",
    "recording.segment_s",
    "recording.upload_video",
)
LIVE = (*FRAMES, *STATUS, *RECORDING)

Values = Mapping[str, Any]  # path, such as gate.motion.threshold: its value, as JSON has it
Commit = Callable[[], None]
Adopt = Callable[[Settings], Commit]

GUESSES = 8  # names that are compared with ours; each takes a while
_WHOLE = "(desired)"  # the path of all that is asked for
_SHOWN = 60  # characters of a name that somebody else wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watcher:
    paths: tuple[str, ...]
    adopt: Adopt


class LiveSettings:
    """The settings in force. Only `settings` and `reported` are safe from any thread."""

    def __init__(self, base: Settings) -> None:
        """Begin with *base*, what device.toml says; what nobody asks for stays as it is there."""
        self._base = base
        self._settings = base
        self._accepted: dict[str, Any] = {}
        self._watchers: list[_Watcher] = []

    @property
    def settings(self) -> Settings:
        """What is in force now."""
        return self._settings

    @property
    def accepted(self) -> Values:
        """What is in force because it was asked for."""
        return dict(self._accepted)

    def watch(self, paths: Sequence[str], adopt: Adopt) -> None:
        """Have *adopt* follow changes of *paths*: keys, or sections with all below them.

        It prepares what the new settings take, and gives what puts that in force, which must be
        quick and raise nothing. What it cannot do it refuses by a ConfigError; all then stays.
        """
        self._watchers.append(_Watcher(paths=tuple(paths), adopt=adopt))

    def reported(self) -> dict[str, Any]:
        """Give what is in force of all that can be changed, nested as device.toml is."""
        return nested(
            {path: value for path, value in leaves(self._settings) if self._follows(path)}
        )

    def ask(self, desired: object) -> dict[str, str]:
        """Put in force what *desired*, nested as device.toml is, asks for.

        Of what it does not name, device.toml holds again. A value that is refused leaves the old
        one in force.

        Returns:
            Why, by path, for each that is refused; the text names what was expected and what came.
        """
        asked, errors = self._flatten(desired)
        asked = self._without_wrong(asked, errors, lambda values: changed(self._base, values))
        asked = self._without_wrong(asked, errors, self._prepare)
        settings, commits = self._prepare(asked)
        for path, old, new in _differences(self._settings, settings):
            log.warning("%s: %s instead of %s, as the device's shadow asks", path, new, old)
        for commit in commits:
            commit()
        self._settings, self._accepted = settings, asked
        return errors

    def _without_wrong(
        self, asked: dict[str, Any], errors: dict[str, str], check: Callable[[Values], object]
    ) -> dict[str, Any]:
        """Give *asked* if it passes *check* whole; else each value that does, or the old one."""
        try:
            check(asked)
        except ConfigError:
            pass
        else:
            return asked
        taken: dict[str, Any] = {}
        for path, value in asked.items():
            try:
                check({**taken, path: value})
            except ConfigError as err:
                errors[path] = str(err)
                old = {path: self._accepted[path]} if path in self._accepted else {}
                with contextlib.suppress(ConfigError):
                    check({**taken, **old})
                    taken |= old
            else:
                taken[path] = value
        return taken

    def _prepare(self, asked: Mapping[str, Any]) -> tuple[Settings, list[Commit]]:
        settings = changed(self._base, asked)
        touched = [path for path, _, _ in _differences(self._settings, settings)]
        return settings, [
            watcher.adopt(settings)
            for watcher in self._watchers
            if any(is_below(path, watcher.paths) for path in touched)
        ]

    def _follows(self, path: str) -> bool:
        return is_below(path, LIVE) and any(is_below(path, each.paths) for each in self._watchers)

    def _flatten(self, desired: object) -> tuple[dict[str, Any], dict[str, str]]:
        known = {path: value for path, value in leaves(self._base) if self._follows(path)}
        asked: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for path, value in _walk(desired, known):
            problem = _unknown(path, value, self._base, known, guess=len(errors) < GUESSES)
            if problem is None:
                asked[path] = value
                continue
            errors[path] = problem
            asked |= {  # what was below what should be a section stays
                each: old
                for each, old in self._accepted.items()
                if path == _WHOLE or is_below(each, (path,))
            }
        return asked, errors


def defaults() -> dict[str, Any]:
    """Give all that can be changed, by path, with what it is where device.toml does not say."""
    hints = get_type_hints(Settings)
    sections = dict.fromkeys(path.partition(".")[0] for path in LIVE)
    found = (each for name in sections for each in leaves(hints[name](), f"{name}."))
    return {path: value for path, value in found if is_below(path, LIVE)}


def check(values: Values) -> None:
    """Check what is to be asked of a device, as far as can be told without it.

    Raises:
        ConfigError: There is no such setting, or it cannot be that.
    """
    hints, known = get_type_hints(Settings), defaults()
    for path in values:
        if path not in known:
            near = difflib.get_close_matches(path, known, n=1)
            mend = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{path}: no setting that can be changed from here; {mend}")
    for name, table in nested(values).items():
        tables.changed(hints[name](), table, name)


def changed(settings: Settings, values: Values) -> Settings:
    """Give *settings* with *values* instead.

    Raises:
        ConfigError: One is wrong, or there is no such setting.
    """
    sections = {
        name: tables.changed(getattr(settings, name), table, name)
        for name, table in nested(values).items()
    }
    return dataclasses.replace(settings, **sections)


def leaves(value: object, above: str = "") -> Iterator[tuple[str, Any]]:
    """Give each scalar in the sections of a dataclass, with its path."""
    for each in fields(value):  # type: ignore[arg-type]
        path, item = f"{above}{each.name}", getattr(value, each.name)
        if is_dataclass(item):
            yield from leaves(item, f"{path}.")
        elif isinstance(item, (bool, int, float, str)):
            yield path, item


def nested(values: Values) -> dict[str, Any]:
    """Write paths as tables within tables."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        *above, name = path.split(".")
        table = root
        for each in above:
            table = table.setdefault(each, {})
        table[name] = value
    return root


def flat(tables: Mapping[str, Any], above: str = "", *, depth: int = 8) -> dict[str, Any]:
    """Write tables within tables as paths; what is nested deeper than *depth* stays as it is."""
    found: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, dict) and value and depth:
            found |= flat(value, f"{above}{name}.", depth=depth - 1)
        else:
            found[f"{above}{name}"] = value
    return found


def is_below(path: str, sections: Sequence[str]) -> bool:
    """Tell whether *path* is one of *sections*, or below one."""
    return any(path == each or path.startswith(f"{each}.") for each in sections)


def _walk(desired: object, known: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    """Give what stands at each known path, and the uppermost of each that leads nowhere."""
    if not isinstance(desired, dict):
        yield above.rstrip(".") or _WHOLE, desired
        return
    for name, value in desired.items():
        path = f"{above}{name}"
        if not re.fullmatch(r"\w+", name, re.ASCII):  # a path is ours to write
            yield ascii(path)[:_SHOWN], value
        elif any(each.startswith(f"{path}.") for each in known):
            yield from _walk(value, known, f"{path}.")  # as deep as our own sections, no deeper
        elif value is not None:
            yield path[:_SHOWN], value


def _unknown(path: str, value: object, base: Settings, known: Values, *, guess: bool) -> str | None:
    """Say why nothing can be set at *path*; None: something can."""
    if path in known:
        return None
    if any(each.startswith(f"{path}.") for each in known) or path == _WHOLE:
        shown = ascii(value)
        return f"expected a section, got {shown if len(shown) <= _SHOWN else shown[:57] + '...'}"
    if any(is_below(path, (each,)) or is_below(each, (path,)) for each, _ in leaves(base)):
        return "cannot be changed while the agent runs; set it in device.toml"
    near = difflib.get_close_matches(path, known, n=1) if guess else []
    return "no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _differences(old: Settings, new: Settings) -> Iterator[tuple[str, Any, Any]]:
    before = dict(leaves(old))
    for path, value in leaves(new):
        if before.get(path) != value:
            yield path, before.get(path), value
