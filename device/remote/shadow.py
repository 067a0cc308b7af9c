"""The device shadow: what an operator asks for in `desired`, what is in force in `reported`.

Only whole documents are acted on (what `get` gives, and what follows each update): a delta does not
tell of a setting that was taken back. What cannot be had is in `reported.errors`, by its path.

Source: AWS IoT Core Developer Guide, "Device Shadow MQTT topics", "Device Shadow error messages".
"""

import hashlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from device.network.link import Link
from device.remote.documents import read_object
from device.remote.kept_settings import KeptSettings
from device.remote.live_settings import LiveSettings, nested
from sightline.errors import MessageError, TransportError
from sightline.topics import check_device

log = logging.getLogger(__name__)

ERRORS = 8  # reported at most: the whole document may have 8 KB
ERROR_LETTERS = 160
ASK_AGAIN_S = 60.0
REPORTS = (
    5  # in a row for one version of what is asked for; then the two do not understand each other
)

ANSWERS = "answers"  # in `reported`: the digest of the `desired` that it answers

_NO_SHADOW, _TOO_LARGE = 404, 413

_What = Literal["connected", "document", "answer", "get refused", "update refused"]


def digest(desired: object) -> str:
    """Name what is asked for, so that who asked knows which answer is to it."""
    text = json.dumps(desired or {}, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


def shadow_topic(thing: str, what: str) -> str:
    """Write a topic of *thing*'s classic shadow, such as `get` or `update/documents`."""
    return f"$aws/things/{check_device(thing)}/shadow/{what}"


class Shadow:
    """Keeps settings and shadow in step, in a thread of its own."""

    def __init__(
        self,
        thing: str,
        live: LiveSettings,
        kept: KeptSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to have *live* follow the shadow of *thing*.

        Args:
            kept: Where to keep what was asked for; None: nowhere.
        """
        self._thing = thing
        self._live = live
        self._kept = kept
        self._changed: Callable[[], None] = lambda: None
        self._clock = clock
        self._events: queue.SimpleQueue[tuple[_What, bytes]] = queue.SimpleQueue()
        self._link: Link | None = None
        self._version = -1  # of the newest document since the connect
        self._ask_s: float | None = None  # when to ask for the document (again)
        self._refused: dict[str, str] = {}
        self._problem: str | None = None  # why what is in force is not reported
        self._reports = 0
        self._desired: object = None
        self._brief = False  # there is no room for errors beside what is asked for

    def listen(self, link: Link, changed: Callable[[], None] = lambda: None) -> None:
        """Put in force what is kept, and follow the shadow from now on; `run` does it.

        *changed* is called when `trouble` may have become another.
        """
        self._link, self._changed = link, changed
        if self._kept is not None and (values := self._kept.load()):
            for path, why in self._live.ask(nested(_sound_paths(values))).items():
                log.warning("%s is not as it was asked for the last time: %s", path, why)
        topics: Mapping[str, _What] = {
            "get/accepted": "answer",
            "get/rejected": "get refused",
            "update/documents": "document",
            "update/rejected": "update refused",
        }
        for what, kind in topics.items():
            link.subscribe(shadow_topic(self._thing, what), self._arrival(kind))
        link.on_connected(lambda: self._events.put(("connected", b"")))

    def run(self, stop: threading.Event) -> None:
        """Follow until *stop* is set."""
        while not stop.is_set():
            self.step(wait_s=0.2)

    def step(self, *, wait_s: float = 0.0) -> bool:
        """See to one event; False if none came within *wait_s*."""
        if self._ask_s is not None and self._clock() >= self._ask_s:
            self._ask()
        try:
            what, payload = (
                self._events.get(timeout=wait_s) if wait_s else self._events.get_nowait()
            )
        except queue.Empty:
            return False
        if what == "connected":
            # Versions begin anew where a thing was made anew; within a connection they only grow.
            self._version, self._reports = -1, 0
            self._ask()
            return True
        try:
            self._see(what, read_object(payload))
        except MessageError as err:
            log.warning("ignored a message of the shadow's (%s): %s", what, err)
        return True

    def trouble(self) -> str | None:
        """Say what of the settings is not as asked for; None: nothing."""
        refused = f"settings refused: {', '.join([*self._refused][:ERRORS])}"
        kept = self._kept.trouble() if self._kept else None
        return (
            "; ".join(filter(None, (refused if self._refused else "", self._problem, kept))) or None
        )

    def _arrival(self, what: _What) -> Callable[[str, bytes], None]:
        return lambda _, payload: self._events.put((what, payload))

    def _see(self, what: _What, message: Mapping[str, Any]) -> None:
        match what:
            case "answer":
                self._ask_s = None
                self._follow(message)
            case "document":
                self._follow(_table(message, "current"))
            case "get refused" if message.get("code") == _NO_SHADOW:
                self._ask_s = None
                self._follow({"state": {}, "version": 0})
            case "get refused":
                log.warning("the shadow cannot be had: %s", _words(message))
            case _:
                self._say(f"the settings in force could not be reported: {_words(message)}")
                if message.get("code") == _TOO_LARGE and not self._brief:
                    self._brief = True  # they are in our log, and what is in force matters more
                    self._ask()

    def _follow(self, document: Mapping[str, Any]) -> None:
        version, state = document.get("version"), _table(document, "state")
        if not isinstance(version, int) or isinstance(version, bool):
            raise MessageError(f"version: expected a whole number, got {version!r}"[:ERROR_LETTERS])
        if version < self._version:
            return  # QoS 1 delivers late, and twice
        self._version = version
        desired = state.get("desired") or {}
        if desired != self._desired:
            self._desired, self._reports, self._brief = desired, 0, False
        before, accepted = dict(self._refused), self._live.accepted
        self._refused = self._live.ask(desired)
        for path, why in self._refused.items():
            if before.get(path) != why:
                log.warning("the shadow asks for what cannot be: %s: %s", path, why)
        if self._kept is not None and self._live.accepted != accepted:
            self._kept.save(self._live.accepted)
        if before != self._refused:
            self._changed()
        self._report(state.get("reported"))

    def _report(self, reported: object) -> None:
        """Say what is in force, where the shadow has it otherwise."""
        wanted = self._live.reported() | {ANSWERS: digest(self._desired)}
        if self._refused and not self._brief:
            wanted["errors"] = _shortened(self._refused)
        update = difference(reported if isinstance(reported, dict) else {}, wanted)
        if not update:
            self._reports = 0
            self._say(None)
        elif self._reports < REPORTS:
            self._reports += 1
            self._publish(update)

    def _ask(self) -> None:
        self._ask_s = self._clock() + ASK_AGAIN_S
        self._send("get", b"")

    def _publish(self, reported: Mapping[str, Any]) -> None:
        payload = json.dumps({"state": {"reported": reported}}, separators=(",", ":")).encode()
        self._send("update", payload)

    def _send(self, what: str, payload: bytes) -> None:
        assert self._link is not None  # noqa: S101 - listen() came first
        try:
            self._link.publish(shadow_topic(self._thing, what), payload)
        except TransportError as err:  # the next connect asks, and reports, anew
            log.debug("shadow: %s", err)

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is not None:
            log.warning("%s", problem)
        self._changed()


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Give the update that makes *new* of *old*: what differs, and null for what is to go."""
    update: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := difference(before, value):
                update[name] = inner
        elif type(value) is bool or type(before) is bool:  # to Python True is 1
            if value is not before:
                update[name] = value
        elif value != before:
            update[name] = value
    return update


def _shortened(errors: Mapping[str, str]) -> dict[str, str]:
    shown = {path: why[:ERROR_LETTERS] for path, why in [*errors.items()][:ERRORS]}
    if len(errors) > ERRORS:
        shown["more"] = str(len(errors) - ERRORS)
    return shown


def _table(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    if not isinstance(value, dict):
        raise MessageError(f"{name}: expected an object, got {ascii(value)[:60]}")
    return value


def _words(message: Mapping[str, Any]) -> str:
    said = str(message.get("message", "no reason given"))[:ERROR_LETTERS]
    return f"{said if said.isprintable() else ascii(said)} ({message.get('code')})"[:200]


def _sound_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of what is kept what no path of ours can be."""
    paths = [path for path in values if all(path.split("."))]
    return {
        path: values[path]
        for path in paths
        if not any(other.startswith(f"{path}.") for other in paths)
    }
