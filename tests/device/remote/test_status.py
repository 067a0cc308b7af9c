"""What a device says about itself, and that it says what became of each command."""

import threading
from datetime import timedelta

import pytest

from device.journal import Journal
from device.network.local_link import LocalLink
from device.remote.command_answers import A_STATUS, KEPT, SHOWN, CommandAnswers
from device.remote.status import StatusReporter
from device.spooling.memory_spool import MemorySpool
from sightline.errors import TransportError
from sightline.messages import MAX_PAYLOAD_BYTES, CommandAnswer, DeviceStatus, decode
from sightline.topics import topic
from tests.device.fakes import NOON, until


class Link(LocalLink):
    """One that is away when told so."""

    away = False

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if self.away:
            raise TransportError("there is no connection")
        super().publish(topic, payload, retain=retain)


class Rig:
    def __init__(self) -> None:
        self.link, self.answers = Link(), CommandAnswers()
        self.statuses: list[DeviceStatus] = []
        self.sizes: list[int] = []
        self.link.subscribe(topic("front-door", "status"), self._hear)
        self.reporter = StatusReporter(
            "front-door",
            self.link,
            Journal(),
            MemorySpool(),
            lambda: False,
            answers=self.answers,
            now=lambda: NOON,
        )

    def _hear(self, _: str, payload: bytes) -> None:
        self.sizes.append(len(payload))
        self.statuses.append(decode(DeviceStatus, payload))

    def answer(self, numbers: range, letters: str = "") -> None:
        for i in numbers:
            self.answers.add(
                CommandAnswer(
                    command="capture",
                    outcome="done",
                    at=NOON + timedelta(seconds=i),
                    command_id=f"{i}{letters}",
                    detail=letters or None,
                )
            )

    def ids(self) -> list[list[int]]:
        return [[int(each.command_id or "") for each in s.commands or ()] for s in self.statuses]


def test_a_status_has_the_last_few_answers_whether_they_are_new_or_not() -> None:
    rig = Rig()
    rig.reporter.say("online")
    rig.answer(range(12))
    rig.reporter.say("online")
    rig.reporter.say("online")
    rig.answer(range(12, 14))
    rig.reporter.say("online")

    assert rig.ids() == [[], [*range(12)], [*range(12 - SHOWN, 12)], [*range(14 - SHOWN, 14)]]


def test_as_many_as_no_status_has_room_for_are_in_several() -> None:
    rig = Rig()
    rig.answer(range(KEPT))
    rig.reporter.say("offline", "stopped")

    assert [len(each) for each in rig.ids()] == [A_STATUS, KEPT - A_STATUS]
    assert [i for each in rig.ids() for i in each] == [*range(KEPT)]
    assert {each.state for each in rig.statuses} == {"offline"}


def test_a_status_stays_within_its_bound_whatever_somebody_wrote() -> None:
    rig = Rig()
    rig.answer(range(KEPT), letters="\x01" * 199)
    rig.reporter.say("online")

    assert max(rig.sizes) < MAX_PAYLOAD_BYTES


def test_an_answer_waits_until_a_status_goes_out() -> None:
    rig = Rig()
    rig.answer(range(12))
    rig.link.away = True
    rig.reporter.say("online")
    rig.answer(range(12, 20))
    rig.link.away = False
    rig.reporter.say("online")

    assert rig.ids() == [[*range(20)]]


def test_what_a_flood_has_no_answer_for_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.answer(range(1000))
    rig.reporter.say("online")
    rig.reporter.say("online")

    assert [i for each in rig.ids()[:2] for i in each] == [*range(1000 - KEPT, 1000)]
    assert caplog.text.count(f"{1000 - KEPT} commands are answered in no status") == 1


def test_what_is_to_be_said_soon_is_said_by_the_thread_until_it_is_stopped() -> None:
    rig, stop = Rig(), threading.Event()
    thread = threading.Thread(target=rig.reporter.run, args=(stop,), daemon=True)
    thread.start()
    until(lambda: len(rig.statuses) == 1)
    rig.answer(range(3))
    rig.reporter.soon()
    until(lambda: len(rig.statuses) == 2)
    stop.set()
    rig.reporter.soon()
    thread.join(10)

    assert not thread.is_alive()
    assert rig.ids() == [[], [0, 1, 2]]
