"""What an operator may tell the device to do now."""

import logging
from collections.abc import Callable
from datetime import datetime

from device.capture import Capture
from device.clock import utc_now
from device.link import Link
from sightline.errors import MessageError
from sightline.messages import Command, decode
from sightline.topics import topic

log = logging.getLogger(__name__)


class Commands:
    """Obeys the messages on the device's channel `commands`."""

    def __init__(
        self,
        device: str,
        capture: Capture,
        changed: Callable[[], None],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Steer *capture*, and call *changed* when the device's status has become another."""
        self._device = device
        self._capture = capture
        self._changed = changed
        self._now = now

    def listen(self, link: Link) -> None:
        """Obey from now on."""
        link.subscribe(topic(self._device, "commands"), self._obey)

    def _obey(self, where: str, payload: bytes) -> None:
        try:
            command = decode(Command, payload)
        except MessageError as err:
            log.warning("ignored a message on %s: %s", where, err)
            return
        if command.expires_at is not None and command.expires_at < self._now():
            log.info("ignored %s: it expired at %s", command.command, command.expires_at)
            return
        log.info("told to %s", command.command)
        match command.command:
            case "capture":
                self._capture.now()
            case "pause":
                self._capture.pause(True)
                log.warning("paused by a command; send resume to go on")
            case "resume":
                self._capture.pause(False)
            case "identify-yourself":
                log.warning("this is %s", self._device)
        self._changed()
