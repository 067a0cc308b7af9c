"""Whether the time of day is known, and what it was when a frame was taken.

A Pi has no clock that runs while it is off: it starts where it was, or in 1970, and is set when the
network is there. So intervals go by the monotonic clock, everywhere; and a frame that was taken
before the clock was set gets its time when it is sent, reckoned back from then.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from device.clock import utc_now
from device.spooling.spool import SpooledFrame

log = logging.getLogger(__name__)

BUILT = datetime(2026, 11, 1, tzinfo=UTC)  # this code is no older: a clock before that is not set
JUMP_S = 2.0  # a clock that is only trimmed is off by less

# systemd-timesyncd, which Raspberry Pi OS runs, touches this when it has set the clock. Where its
# folder is not, somebody else sets it, and we cannot tell. Source: systemd-timesyncd.service(8).
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
RTC = Path("/sys/class/rtc/rtc0")  # a clock that goes on while the machine is off

Flag = Literal["corrected", "unset"]


class TimeOfDay:
    """Safe from any thread."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        synchronized: Path = SYNCHRONIZED,
        rtc: Path = RTC,
    ) -> None:
        self._now = now
        self._clock = clock
        self._synchronized = synchronized
        self._rtc = rtc
        self._lock = threading.Lock()
        self._began = self._beginning()

    def is_set(self) -> bool:
        """Tell whether the clock shows the time, as far as can be known."""
        if self._now() < BUILT:
            return False
        told = not self._synchronized.parent.is_dir() or self._synchronized.exists()
        return told or self._rtc_went_on()

    def shows(self) -> datetime:
        """Give the time that it shows."""
        return self._now()

    def state(self) -> Literal["unset"] | None:
        """Give what the status says of it."""
        return None if self.is_set() else "unset"

    def captured_at(self, frame: SpooledFrame) -> tuple[datetime, Flag | None]:
        """Tell when a frame was taken, by the clock as it is now, and what there is to say of that.

        A frame that was taken before the machine was started anew keeps its time: nobody knows by
        how much the clock was wrong then.
        """
        self._notice()
        if not self.is_set():
            return frame.captured_at, "unset"
        if not frame.this_boot:
            was_set = frame.clock_set and frame.captured_at >= BUILT
            return frame.captured_at, None if was_set else "unset"
        reckoned = self._now() - timedelta(seconds=self._clock() - frame.captured_s)
        if abs((reckoned - frame.captured_at).total_seconds()) <= JUMP_S:
            return frame.captured_at, None
        return reckoned, "corrected"

    def _rtc_went_on(self) -> bool:
        """Tell whether there is a clock that goes on without power, and did: it may lack a battery.

        Source: the kernel's documentation, ABI/testing/sysfs-class-rtc, `since_epoch`.
        """
        try:
            shows_s = int((self._rtc / "since_epoch").read_text())
        except (OSError, ValueError):
            return False
        return shows_s >= BUILT.timestamp()

    def _notice(self) -> None:
        """Say it once when the clock was set."""
        began = self._beginning()
        with self._lock:
            jump = began - self._began
            if abs(jump.total_seconds()) <= JUMP_S:
                return
            self._began = began
        log.warning(
            "the clock was set %s by %s; frames that are still here get their times by it",
            "forward" if jump > timedelta(0) else "back",
            abs(jump),
        )

    def _beginning(self) -> datetime:
        """Tell when the monotonic clock began, by the clock as it is now."""
        return self._now() - timedelta(seconds=self._clock())
