"""What becomes of an operator's commands, one by one and by the thousand."""

import re
import threading
from datetime import timedelta

import pytest

from device.network.local_link import LocalLink
from device.remote.command_answers import KEPT, CommandAnswers
from device.remote.commands import HELD_S, Commands
from sightline.messages import Command, CommandAnswer, encode
from sightline.topics import topic
from tests.device.fakes import NOON, until


class Steered:
    def __init__(self) -> None:
        self.did: list[str] = []

    def now(self) -> None:
        self.did.append("capture")

    def pause(self, paused: bool) -> None:
        self.did.append("pause" if paused else "resume")


class Rig:
    def __init__(self) -> None:
        self.link, self.capture, self.changes = LocalLink(), Steered(), 0
        self.clock_is_set, self.clock_s = True, 100.0
        self.commands = Commands(
            "front-door",
            self.capture,
            self._changed,
            gap_s=0,
            now=lambda: NOON,
            clock_is_set=lambda: self.clock_is_set,
            clock=lambda: self.clock_s,
        )
        self.commands.listen(self.link)

    def _changed(self) -> None:
        self.changes += 1

    def order(self, *commands: Command | bytes) -> None:
        for each in commands:
            payload = each if isinstance(each, bytes) else encode(each)
            self.link.publish(topic("front-door", "commands"), payload)

    def work(self) -> tuple[CommandAnswer, ...]:
        while self.commands.step():
            pass
        return self.commands.answers.next().answers


def told(answers: CommandAnswers) -> list[CommandAnswer]:
    """Give what statuses tell of, one after the other."""
    found = list[CommandAnswer]()
    while True:
        batch = answers.next()
        found += batch.answers
        answers.told(batch)
        if not batch.left:
            return found


def said(answers: tuple[CommandAnswer, ...]) -> list[tuple[str, str]]:
    return [(each.command, each.outcome) for each in answers]


def test_each_command_is_done_in_order_and_answered() -> None:
    rig = Rig()
    rig.order(Command(command="pause", command_id="1"), Command(command="capture"))
    rig.order(Command(command="identify-yourself"))

    answers = rig.work()

    assert rig.capture.did == ["pause", "capture"]
    assert said(answers) == [("pause", "done"), ("capture", "done"), ("identify-yourself", "done")]
    assert (answers[0].command_id, answers[0].at, answers[0].times) == ("1", NOON, None)
    assert rig.changes == 3


def test_an_expired_command_is_not_done_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.order(Command(command="pause", expires_at=NOON - timedelta(seconds=1)))
    rig.order(Command(command="capture", expires_at=NOON + timedelta(seconds=1)))

    assert said(rig.work()) == [("pause", "expired"), ("capture", "done")]
    assert rig.capture.did == ["capture"]
    assert "ignored pause: it expired" in caplog.text


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"{]", "not JSON"),
        (b'{"command": "explode"}', "expected one of capture, pause"),
        (b'{"command": "pause", "expires_at": "soon"}', "expires_at: expected a time"),
        (b'{"command": "pause"}' + b" " * 5000, "over 4096"),
        (b"[" * 4000, "nested too deeply|not JSON"),
    ],
)
def test_what_is_no_command_is_refused_with_the_reason(payload: bytes, expected: str) -> None:
    rig = Rig()
    rig.order(payload)

    (answer,) = rig.work()
    assert (answer.command, answer.outcome) == ("", "refused")
    assert re.search(expected, answer.detail or "")
    assert rig.capture.did == []


def test_a_flood_takes_no_memory_and_each_command_of_it_is_done_once() -> None:
    rig = Rig()
    for i in range(2000):
        rig.order(Command(command="capture", command_id=str(i)), b"garbage", b"{}" * (i % 3))
    rig.order(Command(command="pause"))

    rig.work()
    answers = told(rig.commands.answers)

    assert rig.capture.did == ["capture", "pause"]
    assert len(answers) == KEPT
    assert answers[-1].command == "pause"
    (flood,) = [each for each in answers if each.command == "capture" and each.outcome == "done"]
    assert (flood.times, flood.command_id) == (2000, "1999")


def test_each_of_many_at_once_is_answered_by_its_id_and_announced() -> None:
    rig = Rig()
    rig.order(*[Command(command="capture", command_id=str(i)) for i in range(12)])
    assert rig.changes == 11  # though the last one of them may have to wait

    answers = rig.work()

    assert [each.command_id for each in answers] == [str(i) for i in range(12)]
    assert [each.outcome for each in answers] == ["merged"] * 11 + ["done"]
    assert rig.changes == 12


def test_a_command_however_deeply_it_is_nested_is_refused() -> None:
    rig = Rig()
    for depth in range(900, 1000):  # json.loads gives up at some depth, what comes after it sooner
        inner = b'{"a":' * depth + b"1" + b"}" * depth
        rig.order(b'{"command":' + inner + b"}", b'{"command":"pause","command_id":' + inner + b"}")

    (answer,) = rig.work()
    assert (answer.outcome, answer.times, rig.capture.did) == ("refused", 200, [])


def test_of_pause_and_resume_the_last_word_holds() -> None:
    rig = Rig()
    pause = Command(command="pause")
    rig.order(pause, Command(command="resume"), pause)

    rig.work()

    assert rig.capture.did == ["resume", "pause"]


def test_one_that_is_delivered_twice_is_done_once() -> None:
    rig = Rig()
    rig.order(Command(command="pause", command_id="7"))
    rig.work()
    rig.order(Command(command="resume", command_id="8"))
    rig.work()
    rig.order(Command(command="pause", command_id="7"))

    assert said(rig.work())[-1] == ("pause", "repeated")
    assert rig.capture.did == ["pause", "resume"]


def test_a_long_id_does_not_make_a_long_status() -> None:
    rig = Rig()
    rig.order(Command(command="capture", command_id="x" * 3000))

    (answer,) = rig.work()
    assert len(answer.command_id or "") == 200


def test_commands_are_obeyed_in_their_own_thread() -> None:
    rig, stop = Rig(), threading.Event()
    thread = threading.Thread(target=rig.commands.run, args=(stop,), daemon=True)
    thread.start()
    rig.order(Command(command="capture"))
    until(lambda: rig.capture.did == ["capture"])
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_while_the_clock_is_not_set_what_could_have_expired_waits_for_it_in_its_turn() -> None:
    rig = Rig()
    rig.clock_is_set = False
    rig.order(Command(command="capture"))
    rig.order(Command(command="pause", expires_at=NOON - timedelta(hours=1)))
    rig.order(Command(command="identify-yourself", expires_at=NOON + timedelta(hours=1)))
    rig.order(Command(command="resume"))
    assert said(rig.work()) == [("capture", "done")]
    rig.clock_s += HELD_S - 1
    assert said(rig.work()) == [("capture", "done")]
    rig.clock_is_set = True

    assert said(rig.work())[1:] == [
        ("pause", "expired"),
        ("identify-yourself", "done"),
        ("resume", "done"),
    ]
    assert rig.capture.did == ["capture", "resume"]


def test_a_clock_that_is_not_set_for_long_has_what_could_have_expired_refused() -> None:
    rig = Rig()
    rig.clock_is_set = False
    rig.order(Command(command="pause", expires_at=NOON + timedelta(hours=1)))
    rig.order(Command(command="resume"))
    rig.clock_s += HELD_S

    refused, resumed = rig.work()

    assert (refused.outcome, resumed.outcome) == ("refused", "done")
    assert refused.detail == "whether it has expired is not known: this clock is not set"
    assert rig.capture.did == ["resume"]
