"""A clock that is set while frames wait, as a Pi's is after each start."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device.spooling.spool import SpooledFrame
from device.time_of_day import TimeOfDay
from device.uplink import reference
from tests.device.fakes import NOON, spooled

IN_1970 = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


class Pi:
    """A machine whose clock shows `shows`, `uptime` seconds after its start."""

    def __init__(self, folder: Path, shows: datetime, *, ntp: bool = True, rtc: bool = False):
        self.shows, self.uptime = shows, 60.0
        self.synchronized = folder / "timesync" / "synchronized"
        if ntp:
            self.synchronized.parent.mkdir()
        if rtc:
            (folder / "rtc0").mkdir()
        self.clock = TimeOfDay(
            now=lambda: self.shows,
            clock=lambda: self.uptime,
            synchronized=self.synchronized,
            rtc=folder / "rtc0",
        )

    def wait(self, seconds: float) -> None:
        self.shows, self.uptime = self.shows + timedelta(seconds=seconds), self.uptime + seconds

    def set(self, at: datetime) -> None:
        self.shows = at
        self.synchronized.parent.mkdir(exist_ok=True)
        self.synchronized.touch()


def taken(pi: Pi, *, resumed: bool = False) -> SpooledFrame:
    return replace(spooled(), captured_at=pi.shows, captured_s=pi.uptime, resumed=resumed)


def test_a_frame_taken_before_the_clock_was_set_has_its_time_reckoned_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pi = Pi(tmp_path, IN_1970)
    frame = taken(pi)
    assert (pi.clock.state(), pi.clock.captured_at(frame)) == ("unset", (IN_1970, "unset"))
    pi.wait(30)
    pi.set(NOON)
    pi.wait(5)
    for _ in range(2):
        told = reference(frame, pi.clock)

    assert pi.clock.state() is None
    assert (told.captured_at, told.clock) == (NOON - timedelta(seconds=30), "corrected")
    assert caplog.text.count("the clock was set forward") == 1


def test_a_frame_taken_with_the_clock_set_keeps_its_time_to_the_millisecond(tmp_path: Path) -> None:
    pi = Pi(tmp_path, NOON)
    pi.set(NOON)
    frame = taken(pi)
    pi.wait(3600)
    pi.shows += timedelta(seconds=0.8)  # it was trimmed meanwhile
    told = reference(frame, pi.clock)

    assert (told.captured_at, told.clock) == (NOON, None)


def test_a_clock_that_was_ahead_and_is_set_back_corrects_frames_as_well(tmp_path: Path) -> None:
    pi = Pi(tmp_path, NOON + timedelta(days=400), ntp=False)
    frame = taken(pi)
    pi.wait(10)
    pi.set(NOON)

    assert pi.clock.captured_at(frame) == (NOON - timedelta(seconds=10), "corrected")


def test_a_frame_of_an_earlier_process_keeps_its_time_and_says_if_that_is_wrong(
    tmp_path: Path,
) -> None:
    pi = Pi(tmp_path, IN_1970)
    old = taken(pi, resumed=True)
    pi.set(NOON)
    recent = replace(taken(pi, resumed=True), captured_at=NOON - timedelta(days=1))

    assert pi.clock.captured_at(old) == (IN_1970, "unset")
    assert pi.clock.captured_at(recent) == (NOON - timedelta(days=1), None)


@pytest.mark.parametrize(
    ("shows", "ntp", "rtc", "state"),
    [
        (IN_1970, False, True, "unset"),  # whatever else there is: this code is younger
        (NOON, True, False, "unset"),  # as it was when the power went, perhaps
        (NOON, True, True, None),
        (NOON, False, False, None),  # who sets it is not known
    ],
)
def test_whether_the_clock_is_set_is_known_by_what_systemd_and_the_machine_say(
    tmp_path: Path, shows: datetime, ntp: bool, rtc: bool, state: str | None
) -> None:
    assert Pi(tmp_path, shows, ntp=ntp, rtc=rtc).clock.state() == state
