"""AWS IoT's shadow service, for one thing on a link within the process."""

import copy
import json
from typing import Any

from device.network.link import Link
from device.remote.shadow import shadow_topic

LARGEST = 8 * 1024


class ShadowService:
    """Answers `get` and `update` as AWS IoT Core does: merged, versioned, null takes away."""

    def __init__(self, link: Link, thing: str = "front-door") -> None:
        self.state: dict[str, Any] = {}
        self.version = 0
        self.updates: list[dict[str, Any]] = []  # what the device sent
        self._link, self._thing = link, thing
        link.subscribe(shadow_topic(thing, "get"), lambda _, payload: self._get())
        link.subscribe(shadow_topic(thing, "update"), lambda _, payload: self._from_device(payload))

    def desire(self, desired: dict[str, Any] | None) -> None:
        """Ask for something, as an operator does."""
        self._update({"desired": desired})

    @property
    def reported(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state.get("reported", {})
        return found

    def document(self) -> dict[str, Any]:
        return {"state": copy.deepcopy(self.state), "version": self.version, "timestamp": 1}

    def say(self, what: str, message: object) -> None:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._link.publish(shadow_topic(self._thing, what), payload)

    def _get(self) -> None:
        if self.version == 0:
            self.say("get/rejected", {"code": 404, "message": "No shadow exists with name: x"})
        else:
            self.say("get/accepted", self.document())

    def _from_device(self, payload: bytes) -> None:
        state = json.loads(payload)["state"]
        self.updates.append(state)
        self._update(state)

    def _update(self, state: dict[str, Any]) -> None:
        whole = merged(copy.deepcopy(self.state), state)
        if len(json.dumps(whole, separators=(",", ":"))) > LARGEST:
            self.say("update/rejected", {"code": 413, "message": "The payload exceeds 8192 bytes"})
            return
        previous = self.document()
        self.state, self.version = whole, self.version + 1
        self.say("update/documents", {"previous": previous, "current": self.document()})


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    for name, value in new.items():
        if value is None:
            old.pop(name, None)
        elif isinstance(value, dict) and isinstance(old.get(name), dict):
            merged(old[name], value)
        else:
            old[name] = merged({}, value) if isinstance(value, dict) else value
    return old
