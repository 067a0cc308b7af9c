"""Tells systemd that the agent is ready, how it is doing, and that it has not got stuck.

systemd starts a service anew that does not say so in time (`WatchdogSec=`). It is said only while
the threads that everything hangs on make progress: one that sits in a call that never returns, as a
camera's driver may have it, is not got out of it in any other way.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from device.pulse import Pulses

log = logging.getLogger(__name__)

_LONGEST = 400  # characters of a status
_IDLE_S = 30.0  # between two words on how it is doing, where nobody watches


class Systemd:
    """What systemd listens to; outside of a service nobody does, and nothing happens."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read who listens off *environment*."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)

    @property
    def listens(self) -> bool:
        """Whether we are its service."""
        return bool(self._address)

    def notify(self, *assignments: str) -> None:
        """Tell it, such as `READY=1`. What cannot be told is no reason to stop."""
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # of the abstract namespace
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(assignments).encode(), address)
        except OSError as err:
            log.debug("systemd cannot be told %s: %s", assignments[0], err)


class Watchdog:
    """Speaks to systemd from `__enter__` to `__exit__`, in a thread of its own."""

    def __init__(self, systemd: Systemd, pulses: Pulses) -> None:
        self._systemd = systemd
        self.pulses = pulses
        self._how: Callable[[], str] = lambda: "starting"
        self._said: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        if self._systemd.listens:
            self._systemd.notify("READY=1")
            self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # it was never started
            self._thread.join(2.0)
        self._systemd.notify("STOPPING=1")

    @property
    def unattended(self) -> bool:
        """Whether systemd runs us, so that nobody sees us end: it would only start us again."""
        return self._systemd.listens

    def describe(self, how: Callable[[], str]) -> None:
        """Have *how* tell how it is doing, in a line for `systemctl status`."""
        self._how = how

    def step(self) -> None:
        """Say how it is, and that it goes on, if it does."""
        silent = self.pulses.silent()
        for name, seconds in silent.items():
            if name not in self._said:
                log.error(
                    "%s has made no progress for %.0f s; if it stays so, systemd starts the agent "
                    "anew",
                    name,
                    seconds,
                )
        self._said = frozenset(silent)
        if silent:
            self._systemd.notify(f"STATUS=stuck: {', '.join(silent)}")
            return
        status = " ".join(self._how().split())[:_LONGEST]
        self._systemd.notify("WATCHDOG=1", f"STATUS={status}")

    def _run(self) -> None:
        # Thrice within the time, so that one that comes late or gets lost is no harm.
        every_s = _IDLE_S if self._systemd.watchdog_s is None else self._systemd.watchdog_s / 3
        while True:
            self.step()
            if self._stop.wait(every_s):
                return


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Read within how many seconds systemd wants to hear of us; None: it does not watch."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    with contextlib.suppress(ValueError):
        if (microseconds := int(environment.get("WATCHDOG_USEC", ""))) > 0:
            return microseconds / 1e6
    return None
