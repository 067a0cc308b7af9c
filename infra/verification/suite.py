"""The suite: makes its props, goes through the checks in order, and takes everything away again."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from device.doctor.finding import Examination, Finding, fault, given, ok
from device.settings import Settings
from infra.account import translated
from infra.demo.rehearsal import KNOWN, STRANGER
from infra.deploying import stack as stacks
from infra.operating.watcher import Watcher
from infra.target import Target
from infra.verification import film, guards, http, main_job
from infra.verification.price import Price, estimate
from infra.verification.props import Props
from infra.verification.report import Run

CHECKS = (
    *("enrol", "forget", "provision", "connect", "answers", "known", "stranger", "record"),
    *("film", "http"),
    *("repeat", "foreign key", "malformed", "own topics", "own frames", "dead letter", "log"),
    *("metrics", "revoked", "removal"),
)
RECORD = {"made_by": "sightline verify-on-aws", "rank": "Rear Admiral"}
_OTHER_FRAMES = 6

Say = Callable[[str], None]


def price_of(where: Target) -> Price:
    """Estimate what a run on this stack costs."""
    return estimate(
        frames=2 * main_job.frames_expected() + _OTHER_FRAMES,  # of the agent, and of the film
        deployed=stacks.parameters(where.account, where.stack),
    )


def run(
    where: Target,
    say: Say,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Go through all of it on *where*; after Ctrl-C what was made is taken away, too."""
    done = Run(
        stack=where.stack,
        region=where.account.region,
        is_local=where.facts is not None,
        began=now(),
        function=_function(where),
        log_url=log_url(where),
    )
    began = time.monotonic()
    examination = Examination(lambda finding: say(finding.line()))
    props = Props(where, say)
    try:
        _Suite(where, props, examination, done, say, now=now, sleep=sleep).run()
    except KeyboardInterrupt:
        done.interrupted = True
    finally:
        with _undisturbed(say):
            done.left = props.remove()
            examination.check("removal", lambda: _removal(props, done))
            done.findings = tuple(examination.findings)
            done.took_s = time.monotonic() - began
    return done


def log_url(where: Target) -> str:
    """Say where the function's log is: a link into the console, or the file on one machine."""
    name = where.output("RecognizeFunction")
    if where.facts is not None:
        return f"{where.facts.ca.rpartition('/')[0]}/logs/{name}.log"
    return where.outputs.get("FunctionLogLink", f"log group /aws/lambda/{name}")


class _Suite:
    """The checks, in order; each notes how long it took."""

    def __init__(
        self,
        where: Target,
        props: Props,
        examination: Examination,
        done: Run,
        say: Say,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._where, self._props, self._examination = where, props, examination
        self._done, self._say, self._now, self._sleep = done, say, now, sleep
        self._name = f"{KNOWN} ({props.thing})"
        self._settings: Settings | None = None
        self._played: main_job.Played | None = None

    def run(self) -> None:
        self._check("enrol", self._enrol)
        self._check("forget", self._forget, needs=["enrol"])
        self._check("provision", self._provision)
        with ExitStack() as open_:
            operators: list[Watcher] = []

            def connect() -> Finding:
                operators.append(open_.enter_context(self._props.operator()))
                return guards.connect(given(self._settings), sleep=self._sleep)

            self._check("connect", connect, needs=["provision"])
            self._main_job()
            self._other_ways()
            self._guards(operators)

    def _main_job(self) -> None:
        def answers() -> Finding:
            self._say("the agent plays ten seconds of a made clip …")
            self._played = main_job.play(
                self._props, self._props.folder / self._props.thing / "device.toml", self._name
            )
            self._done.latencies = self._played.latencies
            return main_job.judge_answers(self._played)

        needs = ["forget", "connect"]
        self._check("answers", answers, needs=needs)
        has_played = needs if self._played else ["answers", *needs]
        for name, judge in (
            ("known", lambda: main_job.judge_known(given(self._played))),
            ("stranger", lambda: main_job.judge_stranger(given(self._played))),
            ("record", lambda: main_job.judge_record(given(self._played), RECORD)),
        ):
            self._check(name, judge, needs=has_played)

    def _other_ways(self) -> None:
        props, name = self._props, self._name

        def through_the_bucket() -> Finding:
            self._say("the same clip goes through the video bucket …")
            return film.answered(props, main_job.clip_of(props), name, self._say, sleep=self._sleep)

        self._check("film", through_the_bucket, needs=["answers"])
        self._check("http", lambda: http.answered(props, name), needs=["enrol"])

    def _guards(self, operators: list[Watcher]) -> None:
        where, props, say = self._where, self._props, self._say
        settings = self._settings
        begun = self._done.began
        for name, make, needs in (
            (
                "repeat",
                lambda: guards.repeat(operators[0], given(settings), given(self._played).keys[0]),
                ["connect", "answers"],
            ),
            ("foreign key", lambda: guards.foreign_key(operators[0], props), ["connect"]),
            ("malformed", lambda: guards.malformed(operators[0], props), ["connect"]),
            ("own topics", lambda: guards.own_topics(given(settings), props), ["connect"]),
            (
                "own frames",
                lambda: guards.own_frames(given(settings), props, self._now()),
                ["connect"],
            ),
            (
                "dead letter",
                lambda: guards.dead_letter(operators[0], props, self._now(), say),
                ["connect"],
            ),
            ("log", lambda: guards.log_holds_no_picture(where, begun), ["malformed"]),
            ("metrics", lambda: guards.metrics(where, begun, self._sleep, say), ["answers"]),
            ("revoked", lambda: guards.revoked(given(settings), props, say), ["connect"]),
        ):
            self._check(name, make, needs=needs)

    def _enrol(self) -> Finding:
        person = self._props.enrol(self._name, KNOWN, dict(RECORD))
        return ok(f"{person.id}, from one portrait")

    def _forget(self) -> Finding:
        """Enrol the stranger and remove them: who is forgotten must be a stranger again."""
        name = f"{STRANGER} ({self._props.thing})"
        self._props.enrol(name, STRANGER, {})
        self._props.forget(name)
        return ok("a second person was enrolled and removed, and plays the stranger")

    def _provision(self) -> Finding:
        made = self._props.provision()
        self._settings = Settings.load(made.settings)
        return ok(f"thing {self._props.thing}, certificate {made.certificate_id[:12]}")

    def _check(
        self, name: str, make: Callable[[], Finding], *, needs: list[str] | None = None
    ) -> None:
        def timed() -> Finding:
            began = time.monotonic()
            finding = make()
            took = {"took": (time.monotonic() - began) * 1000}
            return replace(finding, timings_ms={**finding.timings_ms, **took})

        self._examination.check(name, timed, needs=needs or [])


def _removal(props: Props, done: Run) -> Finding:
    remains = [*done.left, *props.remains()]
    done.left = remains
    if remains:
        return fault(f"{len(remains)} things are left", "see the end of the report")
    return ok("all that was made is gone: listed, and nothing found")


def _function(where: Target) -> dict[str, str]:
    name = where.output("RecognizeFunction")
    with translated(f"reading the function {name}"):
        found = where.client("lambda").get_function(FunctionName=name)["Configuration"]
    return {
        "engine": where.outputs.get("Engine", "dlib"),
        "memory": f"{found['MemorySize']} MB",
        "architecture": ", ".join(found.get("Architectures", ["x86_64"])),
        "package": found.get("PackageType", "Zip"),
    }


@contextmanager
def _undisturbed(say: Say) -> Iterator[None]:
    """Let Ctrl-C wait: half a removal leaves things on the account that nobody knows of."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(
        signal.SIGINT, lambda *_: say("taking away what was made; a moment, then it ends")
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
