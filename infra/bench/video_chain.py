"""The chain of videos on this machine: one long film, and many short ones at once.

Many at once are put in twice. As films are sampled by default, cutting them keeps a machine's cores
as busy as the networks do, so what the workers reach is held against their own processor time. With
five times as many stills a film and one worker, what all wait for is the networks, as they do where
cutting has machines of its own; then it is held against the clock.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from cloud.videos.still_jpeg import encode_jpeg
from infra.bench.processes import Watch
from infra.bench.video import write_clip
from infra.demo.rehearsal import Rehearsal
from infra.load.clock import RealClock
from infra.load.tally import Run, failures, figures
from infra.load.videos import Stores, VideoLoad, VideoPlan
from infra.videos.buckets import S3Bucket
from sightline import wire
from sightline.errors import TransportError
from sightline.faces.engines import prepare_engine
from sightline.faces.image import decode
from sightline.faces.loading import load_recognizer

Say = Callable[[str], None]

LONG_S, SHORT_S = 60, 3
SAMPLING, DENSE = "every:0.5", "every:0.1"
MOST_OF_REAL_TIME = 0.5  # the whole chain, on two cores
LEAST_OF_ENGINE = 0.75  # of workers × the engine's speed

_FUNCTIONS = {"split_video": "SplitVideoFunction", "recognize_video": "RecognizeVideoFunction"}
_ENGINE_S = 6.0  # how long the engine is timed


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFilm:
    """What one film of some length took, from the begin of its upload to its last output."""

    film_s: float
    whole_s: float
    stills: int

    @property
    def share(self) -> float:
        """Of real time."""
        return self.whole_s / self.film_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyFilms:
    """What many films that came at once took."""

    sampling: str
    videos: int
    answered: int
    seconds: float
    videos_per_s: float
    stills_per_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None
    workers: int
    engine_per_s: float  # stills, of one worker's engine with a core of its own
    split_s: float  # to cut one film into its stills, likewise
    stills_each: float
    cores: int
    failed: Sequence[str]
    memory_mb: Mapping[str, float]  # the most that one worker of a function held
    processes: Mapping[str, int]  # the most there were at once
    cpu_s: Mapping[str, float]  # what all processes of a part took, whoever else was busy

    @property
    def complete(self) -> int:
        """How many were answered; none, if anything failed: then there was nothing to measure."""
        return 0 if self.failed else self.answered

    @property
    def share(self) -> float:
        """Of what the workers' engines could do if there were nothing else to do."""
        return self.stills_per_s / (self.workers * self.engine_per_s)

    @property
    def share_of_core(self) -> float:
        """Of what the engine could do in the time that the workers kept their cores busy.

        Where each worker has a core of its own, as on Lambda, this is the share in throughput.
        """
        stills = self.stills_each * self.answered
        busy_s = self.cpu_s.get("recognize_video", 0.0)
        return stills / busy_s / self.engine_per_s if busy_s else 0.0

    @property
    def share_of_cores(self) -> float:
        """Of what the machine's cores could do if they cut films and recognised, and no more."""
        film_s = self.split_s + self.stills_each / self.engine_per_s
        return self.videos_per_s / (self.cores / film_s)


class VideoChain:
    """The measured parts, on one stack with somebody enrolled."""

    def __init__(self, rehearsal: Rehearsal, *, sampling: str = SAMPLING, say: Say) -> None:
        self._rehearsal = rehearsal
        self._sampling = sampling
        self._say = say
        where = rehearsal.target
        s3 = where.client("s3")
        self._stores = Stores(
            input=S3Bucket(s3, where.output("InputBucket")),
            stage=S3Bucket(s3, where.output("StageBucket")),
            output=S3Bucket(s3, where.output("OutputBucket")),
        )

    def warm_up(self) -> None:
        """Have all workers started, and their networks loaded."""
        self._all_good(self._load(self._film(SHORT_S), self._workers * 2))

    def long_film(self, seconds: int = LONG_S) -> LongFilm:
        """Put one film of 1280×720 at 30 frames a second through the chain."""
        self._say(f"drawing a film of {seconds:g} s …")
        film = self._film(seconds)
        self._say("one film through the whole chain …")
        run = self._all_good(self._load(film, 1))
        of = figures(run)
        return LongFilm(film_s=seconds, whole_s=of.latency_max_s or 0, stills=run.fates[0].stills)

    def many_films(self, count: int) -> ManyFilms:
        """Upload *count* films of `SHORT_S` seconds at once."""
        film = self._film(SHORT_S)
        engine_per_s = self._engine_per_s(self._load(film, 1))
        split_s = _split_s(film, self._sampling)
        self._say(f"{count} films of {SHORT_S} s at once, sampled {self._sampling} …")
        with Watch(self._pids) as watch:
            run = self._load(film, count)
        of = figures(run)
        return ManyFilms(
            sampling=self._sampling,
            videos=of.sent,
            answered=of.answered,
            seconds=of.seconds,
            videos_per_s=of.answered_per_s,
            stills_per_s=of.stills_per_s,
            latency_p50_s=of.latency_p50_s,
            latency_p95_s=of.latency_p95_s,
            latency_max_s=of.latency_max_s,
            workers=self._workers,
            engine_per_s=round(engine_per_s, 2),
            split_s=round(split_s, 3),
            stills_each=of.stills_per_s / of.answered_per_s if of.answered_per_s else 0.0,
            cores=os.cpu_count() or 1,
            failed=failures(run),
            memory_mb=watch.most_mb,
            processes=watch.most_processes,
            cpu_s=watch.cpu_s,
        )

    @property
    def _workers(self) -> int:
        return self._rehearsal.stack.settings.workers

    def _film(self, seconds: int) -> Path:
        path = self._rehearsal.folder / f"{seconds}-s.mp4"
        if not path.exists():
            write_clip(path, seconds=seconds)
        return path

    def _load(self, film: Path, count: int) -> Run:
        plan = VideoPlan(
            run=secrets.token_hex(4),
            files=[film],
            rate=1e6,  # at once
            concurrency=count,
            repeat=count,
            timeout_s=900,
            metadata={"sightline-sampling": self._sampling},
        )
        with ThreadPoolExecutor(16) as uploads:
            return VideoLoad(plan, self._stores, clock=RealClock(), uploads=uploads).run()

    def _all_good(self, run: Run) -> Run:
        """Return *run* if nothing failed in it: there would be nothing to measure."""
        if failed := failures(run):
            raise TransportError(f"the chain does not answer: {failed[0]}")
        return run

    def _engine_per_s(self, run: Run) -> float:
        """Time the engine alone, in one process, on the stills that the chain made of a film."""
        name = run.fates[0].name.removesuffix(".mp4")
        keys = sorted(self._stores.stage.list(f"{name}/"))
        stills = [self._stores.stage.get(key) or b"" for key in keys]
        where = self._rehearsal.target
        function = where.output(_FUNCTIONS["recognize_video"])
        answer = where.client("lambda").get_function_configuration(FunctionName=function)
        settings = answer["Environment"]["Variables"]
        prepare_engine(settings["SIGHTLINE_ENGINE"])
        recognizer = load_recognizer(
            settings["SIGHTLINE_ENGINE"],
            smallest_face_px=int(settings["SIGHTLINE_SMALLEST_FACE_PX"]),
            threads=int(settings["SIGHTLINE_THREADS"]),
        )
        recognizer.see(decode(stills[0]))
        # In processor time: one thread works, and neighbours on the machine do not count.
        done, began = 0, time.process_time()
        while time.process_time() - began < _ENGINE_S:
            recognizer.see(decode(stills[done % len(stills)]))
            done += 1
        return done / (time.process_time() - began)

    def _pids(self) -> Mapping[str, Sequence[int]]:
        stack, target = self._rehearsal.stack, self._rehearsal.target
        workers = {
            name: stack.lambda_service.worker_pids(target.output(output))
            for name, output in _FUNCTIONS.items()
        }
        return {
            **workers,
            "ministack": [stack.facts.pids["ministack"]],
            "this process": [os.getpid()],  # the load, and the local Lambda service
        }


def _split_s(film: Path, sampling: str) -> float:
    """Time how long cutting *film* into stills keeps a core busy; the best of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        with open_film(film) as opened:
            for still in opened.stills(Sampling.parse(sampling)):
                encode_jpeg(still.frame)
        took.append(time.process_time() - began)
    return min(took)


def bounds(
    long: LongFilm, many: ManyFilms, dense: ManyFilms
) -> list[tuple[str, float, float, bool]]:
    """Name what is to be reached on two cores: what, measured, the bound, whether it holds."""
    at_least = [
        ("complete, ÷ sent", many.complete / many.videos, 1),
        ("complete of the dense ones, ÷ sent", dense.complete / dense.videos, 1),
        (
            "stills/s, ÷ workers × engine, by their processor time",
            many.share_of_core,
            LEAST_OF_ENGINE,
        ),
        ("the same of the dense ones, by the clock", dense.share, LEAST_OF_ENGINE),
    ]
    at_most = [
        ("one film, ÷ real time", long.share, MOST_OF_REAL_TIME),
        (
            "workers at once, ÷ those told",
            max(each.processes.get("recognize_video", 0) / each.workers for each in (many, dense)),
            1,
        ),
    ]
    return [
        *((what, is_, to, is_ >= to) for what, is_, to in at_least),
        *((what, is_, to, is_ <= to) for what, is_, to in at_most),
    ]


def write(path: Path, long: LongFilm, *many: ManyFilms) -> None:
    """Write the figures as JSON, a line each, with the machine they were taken on."""
    machine = {"cores": psutil.cpu_count(), "at": wire.write_time(datetime.now(UTC))}
    facts = (
        {"kind": "LongFilm", **asdict(long), "share": long.share},
        *(
            {
                "kind": "ManyFilms",
                **asdict(each),
                "share": each.share,
                "share_of_core": each.share_of_core,
                "share_of_cores": each.share_of_cores,
            }
            for each in many
        ),
    )
    path.write_text("".join(json.dumps({**each, **machine}) + "\n" for each in facts))
