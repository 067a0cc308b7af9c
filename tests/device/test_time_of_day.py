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

    def __init__(
        self, folder: Path, shows: datetime, *, ntp: bool = True, rtc: datetime | None = None
    ):
        self.shows, self.uptime = shows, 60.0
        self.synchronized = folder / "timesync" / "synchronized"
        if ntp:
            self.synchronized.parent.mkdir()
        if rtc:
            (folder / "rtc0").mkdir()
            (folder / "rtc0" / "since_epoch").write_text(f"{rtc.timestamp():.0f}\n")
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


def taken(pi: Pi) -> SpooledFrame:
    return replace(
        spooled(),
        captured_at=pi.shows,
        captured_s=pi.uptime,
        clock_set=pi.clock.is_set(),
    )


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


def test_a_frame_of_an_earlier_process_is_corrected_while_the_machine_runs(tmp_path: Path) -> None:
    pi = Pi(tmp_path, NOON - timedelta(days=3))  # where it was when the power went
    frame = replace(taken(pi), resumed=True)
    pi.wait(600)
    pi.set(NOON)

    assert not frame.clock_set
    assert pi.clock.captured_at(frame) == (NOON - timedelta(seconds=600), "corrected")


@pytest.mark.parametrize(
    ("shows", "was_set", "flag"),
    [
        (IN_1970, True, "unset"),
        (NOON - timedelta(days=1), True, None),
        (NOON - timedelta(days=1), False, "unset"),
    ],
)
def test_a_frame_from_before_the_machine_was_started_keeps_its_time_and_says_if_that_is_wrong(
    tmp_path: Path, shows: datetime, was_set: bool, flag: str | None
) -> None:
    pi = Pi(tmp_path, shows)
    frame = replace(taken(pi), resumed=True, this_boot=False, clock_set=was_set)
    pi.set(NOON)

    assert pi.clock.captured_at(frame) == (shows, flag)


@pytest.mark.parametrize(
    ("shows", "ntp", "rtc", "state"),
    [
        (IN_1970, False, NOON, "unset"),  # whatever else there is: this code is younger
        (NOON, True, None, "unset"),  # as it was when the power went, perhaps
        (NOON, True, NOON, None),
        (NOON, True, IN_1970, "unset"),  # it has no battery
        (NOON, False, None, None),  # who sets it is not known
    ],
)
def test_whether_the_clock_is_set_is_known_by_what_systemd_and_the_machine_say(
    tmp_path: Path, shows: datetime, ntp: bool, rtc: datetime | None, state: str | None
) -> None:
    assert Pi(tmp_path, shows, ntp=ntp, rtc=rtc).clock.state() == state
