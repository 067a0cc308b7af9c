"""The books: what is explained, and that whatever is not is named."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from infra.demo.clip import Shown
from infra.fleet.events import FULL, TOO_OLD, Event, Named, Why, read, write
from infra.fleet.ledger import Ledger, misnamed
from sightline.messages import FrameRecognized

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DOOR = "door"


def answer(frame_id: str, *, repeat: bool = False) -> FrameRecognized:
    return FrameRecognized(
        frame_id=frame_id,
        device=DOOR,
        captured_at=NOON,
        recognized_at=NOON,
        width=64,
        height=48,
        faces=(),
        engine="light@1",
        gallery=0,
        repeat=repeat,
        timings_ms={},
    )


def captured(frame: str, **facts: object) -> Event:
    return Event(what="captured", device=DOOR, at_s=10, frame=frame, **facts)  # type: ignore[arg-type]


def answered(ledger: Ledger, frame: str, **facts: object) -> None:
    ledger.heard(answer(frame))
    ledger.note(Event(what="answered", device=DOOR, at_s=11, frame=frame))
    result = Event(what="result", device=DOOR, at_s=11, frame=frame, new=True, total_ms=900)
    ledger.note(result)


def ended(ledger: Ledger, **counts: int) -> list[str]:
    ledger.note(Event(what="ended", device=DOOR, at_s=20, counts=counts))
    return ledger.unexplained((DOOR,), 0)


def test_a_frame_that_is_answered_once_is_explained() -> None:
    ledger = Ledger()
    answered(ledger, "a")  # the answer may be told of before the frame is
    ledger.note(captured("a"))

    assert ended(ledger, captured=1, answered=1) == []
    assert (ledger.tally().answered, ledger.tally().waiting) == (1, 0)
    assert ledger.tally().late_ms == (900,)


@pytest.mark.parametrize("why", [FULL, TOO_OLD])
def test_a_frame_that_is_dropped_and_counted_is_explained(why: Why) -> None:
    ledger = Ledger()
    ledger.note(captured("a"))
    ledger.note(Event(what="dropped", device=DOOR, at_s=12, frame="a", why=why))

    assert ended(ledger, captured=1, dropped=1) == []
    assert ledger.tally().dropped == 1


def nothing(ledger: Ledger) -> None:
    ledger.note(captured("a"))


def not_told(ledger: Ledger) -> None:
    ledger.note(captured("a"))
    ledger.heard(answer("a"))


def twice_new(ledger: Ledger) -> None:
    ledger.note(captured("a"))
    answered(ledger, "a")
    ledger.note(Event(what="result", device=DOOR, at_s=12, frame="a", new=True))


def twice_by_the_cloud(ledger: Ledger) -> None:
    ledger.note(captured("a"))
    answered(ledger, "a")
    ledger.heard(answer("a"))


def a_strangers(ledger: Ledger) -> None:
    answered(ledger, "a")


def silent_answer(ledger: Ledger) -> None:
    ledger.note(captured("a"))
    ledger.note(Event(what="answered", device=DOOR, at_s=12, frame="a"))


def failed(ledger: Ledger) -> None:
    ledger.note(Event(what="failed", device=DOOR, at_s=12, text="the camera is gone"))


@pytest.mark.parametrize(
    ("happens", "counts", "said"),
    [
        (nothing, {"captured": 1}, "frame a of door (10.0 s): neither answered nor dropped"),
        (not_told, {"captured": 1}, "nor dropped, though the cloud answered"),
        (twice_new, {"captured": 1, "answered": 1}, "told of as new 2 times"),
        (twice_by_the_cloud, {"captured": 1, "answered": 1}, "anew by the cloud 2 times"),
        (a_strangers, {}, "answered, and never captured"),
        (silent_answer, {"captured": 1, "answered": 1}, "answered, and nobody was told"),
        (failed, {}, "the agent of door: the camera is gone"),
    ],
)
def test_whatever_should_not_be_is_named(
    happens: Callable[[Ledger], None], counts: dict[str, int], said: str
) -> None:
    ledger = Ledger()
    happens(ledger)

    (line,) = ended(ledger, **counts)

    assert said in line


def test_an_agent_that_counts_otherwise_than_its_spool_tells_is_named() -> None:
    ledger = Ledger()
    ledger.note(captured("a"))
    answered(ledger, "a")

    assert ended(ledger, captured=2, answered=1) == ["the agent of door: counted 2 captured, not 1"]


def test_an_agent_that_never_ended_is_named() -> None:
    assert Ledger().unexplained((DOOR,), 0) == ["the agent of door: ended without a word"]


def test_repeats_are_no_second_answers() -> None:
    ledger = Ledger()
    ledger.note(captured("a"))
    answered(ledger, "a")
    ledger.heard(answer("a", repeat=True))

    assert ended(ledger, captured=1, answered=1) == []
    assert ledger.fates()["a"].cloud_repeats == 1


def test_connections_beyond_the_first_are_reconnects() -> None:
    ledger = Ledger()
    for device, times in (("door", 3), ("yard", 1)):
        for _ in range(times):
            ledger.note(Event(what="linked", device=device, at_s=1))
    assert ledger.reconnects() == 2


def test_a_face_is_held_against_what_the_clip_shows_there() -> None:
    ledger = Ledger()
    ledger.note(captured("a", number=1))
    ada = Named(box=(10, 10, 20, 20), name="Ada")
    bob = Named(box=(100, 10, 20, 20), name="Bob")
    ledger.note(Event(what="result", device=DOOR, at_s=1, frame="a", new=True, named=(ada, bob)))
    shown = Shown(name="Ada", x=0, y=0, width=50, height=50)

    assert misnamed(ledger.fates(), ((), (shown,))) == ["frame a of door: Bob is nobody"]


def test_an_event_comes_back_from_its_line() -> None:
    event = captured("a", number=3, named=(Named(box=(1, 2, 3, 4), name="Ada"),), why=FULL)
    line = write(event)
    assert line.endswith("\n")
    assert read(line) == event
