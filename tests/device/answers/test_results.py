import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from device.answers.lines import GREEN, PLAIN, lines, machine_line, summary_lines
from device.answers.report import Report
from device.answers.results import Outcome, Results
from device.journal import Journal, percentile
from device.network.link import Taker
from device.network.local_link import LocalLink
from device.pending import Pending
from device.spooling.memory_spool import MemorySpool
from sightline.errors import ConfigError
from sightline.messages import FrameRecognized, FrameRejected, Person, encode
from sightline.topics import topic
from tests.device.fakes import ADA, NOON, recognized, spooled

REJECTED = FrameRejected(
    frame_id=None, device="front-door", reason="not_json", detail="not JSON", key=None
)


class Rig:
    def __init__(self, **options: Any) -> None:
        self.link, self.spool, self.journal = LocalLink(), MemorySpool(), Journal()
        self.pending = Pending(self.spool, places=4, timeout_s=30, attempts=2)
        self.outcomes: list[Outcome] = []
        self.results = Results(
            self.pending,
            self.journal,
            [self.outcomes.append],
            clock=lambda: 1.231,
            now=lambda: NOON + timedelta(milliseconds=7),
            **options,
        )
        self.results.listen(self.link, "front-door")

    def sent(self) -> str:
        frame = replace(spooled(), captured_s=1.0)
        self.spool.put(frame)
        self.spool.take(0)
        assert self.pending.place(0)
        self.pending.expect(frame, {"upload": 10.0}, 1.1)
        self.pending.acknowledged(frame.frame_id, 2.0)
        return frame.frame_id

    def receive(self, message: FrameRecognized | FrameRejected) -> Outcome:
        channel = "results" if isinstance(message, FrameRecognized) else "errors"
        self.link.publish(topic("front-door", channel), encode(message))  # type: ignore[arg-type]
        assert self.results.step()
        return self.outcomes[-1]


def test_a_result_is_matched_to_its_frame_and_its_latencies() -> None:
    rig = Rig()
    frame_id = rig.sent()

    outcome = rig.receive(recognized(frame_id, ADA))

    assert outcome.new
    assert outcome.key is not None
    assert frame_id in outcome.key
    assert outcome.stages_ms == pytest.approx(
        {"upload": 10, "publish": 2, "answer": 131, "total": 231, "delivery": 7, "cloud.detect": 24}
    )
    assert rig.spool.depth() == 0
    summary = rig.journal.summary()
    assert (summary.answered, summary.faces) == (1, 1)
    assert (summary.decisions, summary.people) == ({"known": 1}, {"Ada Lovelace": 1})
    assert summary.stages["total"].p50_ms == 231


def test_a_second_delivery_is_told_but_not_counted_as_new() -> None:
    rig = Rig()
    frame_id = rig.sent()
    rig.receive(recognized(frame_id, ADA))

    assert not rig.receive(recognized(frame_id, ADA)).new
    assert not rig.receive(recognized(frame_id, ADA, repeat=True)).new
    summary = rig.journal.summary()
    assert (summary.answered, summary.faces, summary.repeated) == (1, 1, 2)


def test_a_repeated_result_is_new_to_who_never_got_the_first() -> None:
    rig = Rig()

    assert rig.receive(recognized(rig.sent(), ADA, repeat=True)).new
    assert rig.journal.summary().answered == 1


def test_the_result_of_somebody_elses_reference_is_told_and_not_counted_as_an_answer() -> None:
    rig = Rig()

    outcome = rig.receive(recognized("typed-in-the-test-client", ADA))

    assert (outcome.new, outcome.key) == (True, None)
    assert "total" not in outcome.stages_ms
    assert (rig.journal.summary().answered, rig.journal.summary().faces) == (0, 1)
    assert not rig.receive(recognized("of-yesterday", ADA, repeat=True)).new


def test_a_result_of_an_old_frame_is_late() -> None:
    rig = Rig(valid_for_s=0.2)
    ours = rig.receive(recognized(rig.sent(), ADA))
    strangers = rig.receive(replace(recognized("b"), captured_at=NOON - timedelta(minutes=5)))
    fresh = rig.receive(recognized("c"))

    assert (ours.late, ours.age_s) == (True, pytest.approx(0.231))  # by the monotonic clock
    assert (strangers.late, strangers.age_s) == (True, pytest.approx(300.007))
    assert (fresh.late, fresh.age_s) == (False, pytest.approx(0.007))
    assert (rig.journal.summary().late, rig.journal.summary().strangers) == (1, 2)
    assert lines(strangers, colour=False)[0].endswith("(late: 5 min)")
    told = json.loads(machine_line(strangers))
    assert (told["late"], told["age_s"]) == (True, 300.007)


def test_a_frame_that_was_answered_and_not_logged_before_a_kill_is_ours_and_new() -> None:
    rig = Rig(ours=["marked-then-killed"], known=[])

    assert rig.receive(recognized("marked-then-killed", ADA, repeat=True)).new
    assert not rig.receive(recognized("marked-then-killed", ADA)).new
    assert (rig.journal.summary().answered, rig.journal.summary().strangers) == (1, 0)


def test_a_result_is_acknowledged_only_when_all_have_been_told_of_it() -> None:
    class Broker(LocalLink):
        def take(self, pattern: str, taker: Taker) -> None:
            def note() -> None:
                order.append("acknowledged")

            self.subscribe(pattern, lambda where, payload: taker(where, payload, note))

    order, link = list[str](), Broker()

    def fail(_: Outcome) -> None:
        order.append("told")
        raise OSError("no room")

    rig = Rig()
    results = Results(rig.pending, rig.journal, [fail, lambda _: order.append("told, too")])
    results.listen(link, "front-door")
    link.publish(topic("front-door", "results"), encode(recognized("a", ADA)))
    link.publish(topic("front-door", "results"), b"{]")
    assert order == []
    while results.step():
        pass

    assert order == ["told", "told, too", "acknowledged", "acknowledged"]


def test_a_rejection_answers_its_frame() -> None:
    rig = Rig()
    frame_id = rig.sent()

    outcome = rig.receive(replace(REJECTED, frame_id=frame_id, reason="no_such_object"))

    assert (outcome.new, rig.spool.depth()) == (True, 0)
    assert rig.journal.summary().rejected == 1


def test_rejections_without_a_frame_are_each_new() -> None:
    rig = Rig()

    assert rig.receive(REJECTED).new
    assert rig.receive(REJECTED).new


def test_a_strangers_message_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.link.publish(topic("front-door", "results"), b"{]")
    rig.link.publish(topic("front-door", "errors"), b"{}")

    assert rig.results.step()
    assert rig.results.step()
    assert not rig.results.step()
    assert rig.outcomes == []
    assert caplog.text.count("ignored a message") == 2


def test_one_observer_that_fails_keeps_no_other_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig, heard = Rig(), list[Outcome]()

    def fail(_: Outcome) -> None:
        raise OSError("nobody reads it")

    results = Results(rig.pending, rig.journal, [fail, heard.append])
    link = LocalLink()
    results.listen(link, "front-door")
    link.publish(topic("front-door", "results"), encode(recognized("a", ADA)))

    assert results.step()
    assert len(heard) == 1
    assert "nobody reads it" in caplog.text


def outcome_of(message: FrameRecognized | FrameRejected, **changed: object) -> Outcome:
    outcome = Outcome(
        message=message,
        payload=encode(message),
        received_at=NOON,
        new=True,
        key=None,
        stages_ms={"total": 231.4},
    )
    return replace(outcome, **changed)  # type: ignore[arg-type]


def test_a_known_persons_line_has_all_that_was_decided_by() -> None:
    (line,) = lines(outcome_of(recognized("a", ADA)), colour=False)

    decided = "Ada Lovelace  known  0.41 < 0.55 (next +0.34)"
    assert line == f'12:00:00.000  {decided}  {{"major": "Mathematics"}}  231 ms'


def test_each_face_has_its_line_and_what_was_not_decided_says_why() -> None:
    nobody = {"person": None, "margin": None}
    faces = (
        replace(ADA, decision="unknown", distance=0.72, **nobody),
        replace(ADA, decision="unsure", person=None, distance=0.54, margin=0.01),
        replace(
            ADA, decision="too_small", box=(1, 2, 31, 40), distance=None, threshold=None, **nobody
        ),
        replace(ADA, decision="blurred", distance=None, threshold=None, **nobody),
    )

    written = lines(outcome_of(recognized("a", *faces)), colour=False)

    assert [line.removeprefix("12:00:00.000  ") for line in written] == [
        "nobody enrolled  0.72 ≥ 0.55  231 ms",
        "unsure  0.54 < 0.55 (next +0.01)  231 ms",
        "too small to judge  31×40 px  231 ms",
        "too blurred to judge  96×118 px  231 ms",
    ]


def test_an_empty_frame_a_rejection_and_a_repeat_have_their_lines() -> None:
    assert lines(outcome_of(recognized("a")), colour=False) == [
        "12:00:00.000  nobody in view  231 ms"
    ]
    assert lines(outcome_of(recognized("a"), new=False, stages_ms={}), colour=False) == [
        "12:00:00.000  nobody in view  (again)"
    ]
    assert lines(outcome_of(REJECTED, stages_ms={}), colour=False) == [
        "12:00:00.000  rejected: not_json: not JSON"
    ]


def test_colour_is_put_around_the_line() -> None:
    (line,) = lines(outcome_of(recognized("a", ADA)), colour=True)
    assert line.startswith(GREEN)
    assert line.endswith(PLAIN)


def test_a_name_cannot_steer_the_terminal() -> None:
    person = Person(id="x", name="\033[2JEve\x9b", record={"\033": "\x07"})
    (line,) = lines(outcome_of(recognized("a", replace(ADA, person=person))), colour=False)
    assert line.isprintable()


def test_a_machines_line_has_the_result_as_it_came() -> None:
    message = recognized("a", ADA)
    line = json.loads(machine_line(outcome_of(message)))

    assert line["result"] == json.loads(encode(message))
    assert (line["kind"], line["new"], line["latencies_ms"]) == (
        "recognized",
        True,
        {"total": 231.4},
    )


def test_the_report_has_each_result_and_the_summary_last(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with Report(path) as report:
        report.result(outcome_of(recognized("a", ADA)))
        assert path.read_text().count("\n") == 1  # while it is still open
        report.result(outcome_of(REJECTED))
        report.summary(Journal().summary())

    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["recognized", "rejected", "summary"]


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--report"):
        Report(tmp_path / "no" / "such" / "folder")


def test_a_full_disk_ends_the_report_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with Report(Path("/dev/full")) as report:
        report.result(outcome_of(recognized("a", ADA)))
        report.result(outcome_of(recognized("b", ADA)))

    assert caplog.text.count("the report ends here") == 1
    assert "No space left" in caplog.text


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(i) for i in range(1, 21)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([3.0], 0.95)) == (
        10,
        19,
        3,
    )


def test_a_summary_for_people_names_what_went_wrong() -> None:
    journal = Journal()
    journal.count("captured", 5)
    journal.count("dropped", 2)
    journal.count("overdue", 1)
    journal.decided("too_small", None)
    journal.decided("known", "Ada Lovelace")

    text = "\n".join(summary_lines(journal.summary()))

    assert "5 frames captured, 0 answered, 2 dropped, 1 overdue" in text
    assert "2 faces: 1 too small, 1 known" in text
    assert "Ada Lovelace: 1" in text


def test_a_summary_tells_how_long_it_took_in_a_line_and_each_stage_if_asked() -> None:
    journal = Journal()
    journal.took({"upload": 4.0, "total": 231.4})

    *_, whole = summary_lines(journal.summary())
    assert whole == "captured → result  p50 231 ms  p95 231 ms"

    written = summary_lines(journal.summary(), every_stage=True)
    assert [line.split()[0] for line in written[-3:]] == ["captured", "upload", "total"]


def test_frames_that_an_earlier_process_dropped_are_in_the_status_alone() -> None:
    journal = Journal()
    journal.count("dropped", 2)
    journal.count("dropped_before", 3)

    assert journal.summary().dropped == 2
    assert journal.counters().dropped == 5


def test_a_result_for_a_frame_of_an_earlier_process_answers_it_and_tells_nothing_of_speed() -> None:
    rig = Rig()
    frame = replace(spooled(), state="published", resumed=True, jpeg=b"")
    rig.spool.put(frame)

    outcome = rig.receive(recognized(frame.frame_id, ADA))

    assert (outcome.new, outcome.key) == (True, frame.key)
    assert "total" not in outcome.stages_ms
    assert (rig.spool.depth(), rig.journal.summary().answered) == (0, 1)


def test_a_resumed_frame_that_is_sent_again_tells_how_fast_that_went_alone() -> None:
    rig = Rig()
    frame = replace(spooled(), resumed=True)
    rig.spool.put(frame)
    rig.spool.take(0)
    assert rig.pending.place(0)
    rig.pending.expect(frame, {"upload": 10.0}, 1.1)

    outcome = rig.receive(recognized(frame.frame_id, ADA, repeat=True))

    assert outcome.new
    assert outcome.stages_ms == pytest.approx(
        {"upload": 10, "answer": 131, "delivery": 7, "cloud.detect": 24}
    )


def test_a_result_that_an_earlier_process_told_of_is_not_new() -> None:
    rig = Rig()
    frame = spooled()
    known = Results(
        rig.pending, rig.journal, [rig.outcomes.append], known=[frame.frame_id], now=lambda: NOON
    )
    known.listen(rig.link, "front-door")
    rig.link.publish(topic("front-door", "results"), encode(recognized(frame.frame_id, ADA)))
    assert known.step()

    assert not rig.outcomes[-1].new
    assert rig.journal.summary().repeated == 1
