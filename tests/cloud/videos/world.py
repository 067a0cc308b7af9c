"""The whole video chain in the process: films are JSON, and the recognition reads them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cloud.intake import Reference
from cloud.memory import MemorySightings
from cloud.side_by_side import side_by_side
from cloud.sightings import Sighting
from cloud.videos.finishing import Finishing, FinishingPorts
from cloud.videos.memory import (
    MemoryChunks,
    MemoryLedger,
    MemoryObjects,
    MemorySplitters,
    MemoryUploads,
)
from cloud.videos.objects import Uploads
from cloud.videos.sampling import Sampling
from cloud.videos.sending import SendingPorts
from cloud.videos.serving import Serving, ServingPorts
from cloud.videos.splitting import Limits, Splitting, SplittingPorts
from cloud.videos.sweeping import Sweeping
from cloud.videos.upload import Upload
from sightline.errors import MissingError, VideoError
from sightline.messages import Face, FrameRecognized, FrameRejected, Person
from tests.cloud.fakes import NOON, Clock

Shots = Sequence[Sequence[str]]  # who is in each still: names, `?` for a stranger, `!` for a blur


def film(
    *shots: Sequence[str], apart_s: float = 0.5, breaks: bool = False, created_at: str | None = None
) -> bytes:
    """Write a film; a shot of `["broken"]` cannot be recognised."""
    said = {"shots": shots, "apart_s": apart_s, "breaks": breaks, "created_at": created_at}
    return json.dumps(said).encode()


class Frame:
    """A picture that says who is in it."""

    shape = (48, 64, 3)

    def __init__(self, shown: dict[str, Any]) -> None:
        self.shown = shown


@dataclass(frozen=True)
class FakeStill:
    number: int
    offset_s: float
    frame: Frame


class FakeFilm:
    """See `cloud.videos.film_port.Film`."""

    codec, width, height, rate = "json", 64, 48, 25.0

    def __init__(self, said: dict[str, Any]) -> None:
        self._said = said
        self.duration_s = len(said["shots"]) * said["apart_s"]
        created_at = said["created_at"]
        self.created_at = datetime.fromisoformat(created_at) if created_at else None
        self.problems: tuple[str, ...] = ()

    def stills(
        self, sampling: Sampling, *, after_s: float | None = None, first_number: int = 1
    ) -> Iterator[FakeStill]:
        number = first_number
        for place, who in enumerate(self._said["shots"]):
            offset_s = place * self._said["apart_s"]
            if after_s is not None and offset_s <= after_s:
                continue
            yield FakeStill(number, offset_s, Frame({"who": who, "place": place}))
            number += 1
        if self._said["breaks"]:
            self.problems = ("the last part is missing",)
            raise VideoError("the file ends too soon", reason="not_a_video")


@contextmanager
def open_film(path: Path) -> Iterator[FakeFilm]:
    try:
        said = json.loads(path.read_bytes())
        fake = FakeFilm(said)
    except (ValueError, KeyError, TypeError) as err:
        raise VideoError("there is no video in it", reason="not_a_video") from err
    yield fake


class Inline(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as err:
            future.set_exception(err)
        return future


class FakeRecognition:
    """See `cloud.videos.serving.Answerer`; the same find, get and keep as the real one has."""

    def __init__(self, stage: Any, sightings: Any, clock: Clock) -> None:
        self._stage, self._sightings, self._clock = stage, sightings, clock
        self.looked_at = 0

    def answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        looked = self._looked(reference, look_back=look_back)
        if isinstance(looked, FrameRejected) or looked.repeat:
            return looked
        return self._sightings.keep(self._sighting(looked)) or looked

    def answer_all(
        self, references: Sequence[Reference], *, look_back: bool = True, pool: Executor
    ) -> Sequence[FrameRecognized | FrameRejected]:
        def look(reference: Reference) -> FrameRecognized | FrameRejected:
            return self._looked(reference, look_back=look_back)

        answers = side_by_side(pool, look, references)
        new = [each for each in answers if isinstance(each, FrameRecognized) and not each.repeat]
        kept = iter(self._sightings.keep_all([self._sighting(each) for each in new]))
        return [next(kept) or each if each in new else each for each in answers]

    def _looked(self, reference: Reference, *, look_back: bool) -> FrameRecognized | FrameRejected:
        captured = reference.captured
        if look_back:
            before = self._sightings.find(reference.device, captured.frame_id)
            if before is not None:
                return replace(before, repeat=True)
        try:
            data = self._stage.get(captured.key)
        except MissingError:
            return self._rejected(reference, "no_such_object", "it is gone")
        if hashlib.sha256(data).hexdigest() != captured.sha256:
            return self._rejected(reference, "bad_field", "sha256: another object")
        shown = json.loads(data)
        if shown["who"] == ["broken"]:
            return self._rejected(reference, "not_an_image", "it is broken")
        self.looked_at += 1
        return FrameRecognized(
            frame_id=captured.frame_id,
            device=reference.device,
            captured_at=reference.captured_at,
            recognized_at=self._clock.now(),
            width=64,
            height=48,
            faces=tuple(face(who, shown["place"]) for who in shown["who"]),
            engine="fake@1",
            gallery=7,
            repeat=False,
            timings_ms={"queue": 500.0, "detect": 3.0, "embed": 2.0},
        )

    def _sighting(self, result: FrameRecognized) -> Sighting:
        return Sighting(result=result, expires_at=self._clock.now() + timedelta(days=90))

    def _rejected(self, reference: Reference, reason: Any, detail: str) -> FrameRejected:
        return FrameRejected(
            frame_id=reference.captured.frame_id,
            device=reference.device,
            reason=reason,
            detail=detail,
            key=reference.captured.key,
        )


def face(who: str, place: int = 0) -> Face:
    decision = {"?": "unknown", "!": "blurred"}.get(who, "known")
    known = decision == "known"
    return Face(
        box=(1, 2, 30, 40),
        detection=0.99,
        decision=decision,
        person=Person(id=who.lower(), name=who, record={"year": 1800 + len(who)})
        if known
        else None,
        distance=None if decision == "blurred" else round(0.5 - place * 0.01, 4),
        margin=None,
        threshold=0.55,
    )


class Watched:
    """Passes every call on to *port*, and tells *hook* before and after it."""

    def __init__(self, port: Any, hook: Callable[[str], None]) -> None:
        self._port, self._hook = port, hook

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self._hook(f"before {name}")
            result = attribute(*args, **kwargs)
            self._hook(f"after {name}")
            return result

        return call


class World:
    """All of it, with the events, chunks and continuations that wait to be delivered."""

    def __init__(
        self,
        *,
        sampling: str = "every:0.5",
        max_bytes: int = 1_000_000,
        max_stills: int = 20_000,
        stall_s: float = 900,
        uploads: Uploads | None = None,
    ) -> None:
        self.clock = Clock()
        self.uploads, self.stage, self.outputs = MemoryUploads(), MemoryObjects(), MemoryObjects()
        self.ledger, self.sightings = MemoryLedger(), MemorySightings()
        self.chunks, self.splitters = MemoryChunks(), MemorySplitters()
        self.hook: Callable[[str], None] = lambda _: None
        self.events: list[Upload] = []
        self.time_left_s = 900.0
        self.finished: list[tuple[str, str]] = []  # job and outcome, each time it was decided
        ledger = Watched(_Counting(self.ledger, self.finished), self._tell)
        stage, outputs = Watched(self.stage, self._tell), Watched(self.outputs, self._tell)
        self.splitting = Splitting(
            SplittingPorts(
                uploads=Watched(uploads or self.uploads, self._tell),
                outputs=outputs,
                open_film=open_film,
                sending=SendingPorts(
                    stage=stage,
                    ledger=ledger,
                    chunks=Watched(self.chunks, self._tell),
                    splitters=Watched(self.splitters, self._tell),
                    encode=lambda frame: json.dumps(frame.shown).encode(),
                    pool=Inline(),
                ),
            ),
            Limits(
                sampling=Sampling.parse(sampling),
                max_bytes=max_bytes,
                days=30,
                max_stills=max_stills,
            ),
            now=self.now,
        )
        finishing = Finishing(
            FinishingPorts(
                stage=stage,
                outputs=outputs,
                ledger=ledger,
                sightings=Watched(self.sightings, self._tell),
            ),
            now=self.now,
        )
        self.recognition = FakeRecognition(stage, Watched(self.sightings, self._tell), self.clock)
        self.serving = Serving(
            ServingPorts(
                ledger=ledger,
                recognition=self.recognition,
                splitters=Watched(self.splitters, self._tell),
                finishing=finishing,
                pool=Inline(),
            ),
            now=self.now,
        )
        self.sweeping = Sweeping(ledger, finishing, stall_s=stall_s, now=self.now)

    def now(self) -> datetime:
        self.clock.at += timedelta(milliseconds=1)  # no two things happen at the same time
        return self.clock.at

    def upload(self, key: str, data: bytes, *, sampling: str | None = None) -> Upload:
        """Put a file into the input bucket; its event waits."""
        etag = self.uploads.put(key, data, sampling=sampling)
        upload = Upload(
            key=key,
            bytes=len(data),
            etag=etag,
            uploaded_at=self.now(),
            sequencer=f"{len(self.events):018X}",
        )
        self.events.append(upload)
        return upload

    def split(self, upload: Upload) -> None:
        self.splitting.split(upload, lambda: self.time_left_s)

    def go_on(self, continuation: Any) -> None:
        self.splitting.go_on(continuation, lambda: self.time_left_s)

    def run(self) -> None:
        """Deliver all that waits, each once and in order, and what comes of it."""
        while self.events or self.splitters.waiting or self.chunks.waiting:
            if self.events:
                self.split(self.events.pop(0))
            elif self.splitters.waiting:
                self.go_on(self.splitters.waiting.popleft())
            else:
                self.serving.serve(self.chunks.waiting.popleft())

    def sweep(self, later_s: float) -> None:
        self.clock.at += timedelta(seconds=later_s)
        self.sweeping.sweep()

    def report(self, name: str) -> Any:
        return json.loads(self.outputs.get(f"{name}.json"))

    def text(self, key: str) -> str:
        return self.outputs.get(key).decode()

    def _tell(self, what: str) -> None:
        self.hook(what)


class _Counting(Watched):
    """Remembers each time that a video is decided to be finished."""

    def __init__(self, ledger: MemoryLedger, finished: list[tuple[str, str]]) -> None:
        super().__init__(ledger, lambda _: None)
        self._finished = finished

    def write(self, video: Any, **given: Any) -> None:
        before = self._port.find(video.name)
        self._port.write(video, **given)
        was_open = before is None or before.job != video.job or before.is_open
        if was_open and not video.is_open:
            self._finished.append((video.job, video.outcome))


__all__ = ["NOON", "World", "film"]
