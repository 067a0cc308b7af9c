"""Videos, uploaded at a rate, and waited for."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloud.videos import naming
from infra.load.clock import Clock
from infra.load.expected import Expected, difference
from infra.load.tally import Fate, Run
from infra.videos.buckets import Inbox, Shelf
from infra.videos.result import ENDINGS, VideoResult, read_result
from sightline.errors import MessageError, SightlineError, TransportError

FOLDER = "load"
NO_RESULT = "no result"
_LOOK_S, _LOOK_EACH_S = 0.25, 0.01  # a look costs who serves it more, the more there is to see


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """What is to be uploaded, and how.

    Attributes:
        run: Names this run; its keys begin with `load/<run>/`, so that one listing finds all.
        rate: Uploads a second.
        concurrency: How many may be unanswered at once; more wait for their turn.
        repeat: How often each file goes.
        timeout_s: How long each is waited for, from the end of its upload on.
    """

    run: str
    files: Sequence[Path]
    rate: float
    concurrency: int
    repeat: int = 1
    timeout_s: float = 600
    metadata: Mapping[str, str] = field(default_factory=dict)
    expected: Expected = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What all keys begin with."""
        return f"{FOLDER}/{self.run}/"

    @property
    def count(self) -> int:
        """How many go in all."""
        return len(self.files) * self.repeat

    def uploads(self) -> Iterator[tuple[str, Path]]:
        """Give keys and files, in the order in which they go."""
        files = itertools.chain.from_iterable(itertools.repeat(self.files, self.repeat))
        for number, path in enumerate(files, 1):
            yield f"{self.prefix}{number:05}-{path.name}", path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The chain's three buckets."""

    input: Inbox
    stage: Shelf
    output: Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a run is."""

    begun: int
    open: int
    ended: int
    failed: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    fate: Fate
    path: Path
    uploaded: "Future[float]"  # gives when it had gone, since the run began


class VideoLoad:
    """One run; all but the uploads themselves happens in the thread that calls `run`."""

    def __init__(
        self,
        plan: VideoPlan,
        stores: Stores,
        *,
        clock: Clock,
        uploads: Executor,
        show: Callable[[Standing], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._stores = stores
        self._clock = clock
        self._uploads = uploads
        self._show = show
        self._begin_s = clock.now_s()
        self._waiting = plan.uploads()
        self._begun = 0
        self._open: dict[str, _Open] = {}  # by key
        self._ended: dict[str, Fate] = {}
        self._late_s = 0.0
        self._seen: dict[str, str] = {}  # etag by key of a first output that was read

    def run(self) -> Run:
        """Upload all, and wait until each is answered or its time is over."""
        self._begin_s = self._clock.now_s()
        try:
            while self._begun < self._plan.count or self._open:
                self._begin_due()
                self._look()
                self._show(self._standing())
                if self._begun < self._plan.count or self._open:
                    self._clock.wait(self._pause_s())
        except KeyboardInterrupt:
            for each in list(self._open.values()):
                each.uploaded.cancel()
                self._end(replace(each.fate, failure="stopped before it was answered"))
        return self.result()

    def result(self) -> Run:
        """What came of it so far."""
        fates = sorted(self._ended.values(), key=lambda each: each.name)
        return Run(
            what="videos", asked_rate=self._plan.rate, fates=tuple(fates), late_s=self._late_s
        )

    def _now_s(self) -> float:
        return self._clock.now_s() - self._begin_s

    def _due_s(self) -> float:
        return self._begun / self._plan.rate

    def _pause_s(self) -> float:
        may_begin = self._begun < self._plan.count and len(self._open) < self._plan.concurrency
        look_s = max(_LOOK_S, _LOOK_EACH_S * len(self._open))
        until_due_s = self._due_s() - self._now_s() if may_begin else look_s
        return max(0.001, min(look_s, until_due_s))

    def _begin_due(self) -> None:
        """Begin all that is due and may."""
        while (
            self._begun < self._plan.count
            and len(self._open) < self._plan.concurrency
            and self._due_s() <= self._now_s()
        ):
            key, path = next(self._waiting)
            begun_s = self._now_s()
            self._late_s = max(self._late_s, begun_s - self._due_s())
            self._begun += 1
            self._open[key] = _Open(
                fate=Fate(name=key, begun_s=begun_s, stills=0),
                path=path,
                uploaded=self._uploads.submit(self._upload, key, path),
            )

    def _upload(self, key: str, path: Path) -> float:
        self._stores.input.put(key, path, metadata=self._plan.metadata)
        return self._now_s()

    def _look(self) -> None:
        """End what has its result, failed, or has taken too long."""
        gone = {key: each for key, each in self._open.items() if each.uploaded.done()}
        for key, each in gone.items():
            error = each.uploaded.exception()
            if error is None:
                self._open[key] = each = replace(
                    each, fate=replace(each.fate, sent_s=each.uploaded.result())
                )
            elif isinstance(error, (SightlineError, OSError)):
                self._end(replace(each.fate, failure=f"not uploaded: {error}"))
            else:
                raise error
        if not gone:
            return
        try:
            listed = self._stores.output.list(self._plan.prefix)
        except TransportError:
            listed = {}  # looked for again in a moment; who waits too long is given up below
        now_s = self._now_s()
        for key in gone.keys() & self._open.keys():
            each = self._open[key]
            ended = self._answer(each, {name: stored.etag for name, stored in listed.items()})
            if ended is not None:
                self._end(ended)
            elif now_s - (each.fate.sent_s or 0.0) > self._plan.timeout_s:
                why = f"{NO_RESULT} within {self._plan.timeout_s:g} s"
                self._end(replace(each.fate, failure=why))

    def _answer(self, each: _Open, listed: Mapping[str, str]) -> Fate | None:
        """Judge what lies there of a video; None: it is still worked on."""
        first, *_, last = (naming.name_of(each.fate.name) + ending for ending in ENDINGS)
        etag = listed.get(first)
        if etag is None or (last not in listed and self._seen.get(first) == etag):
            return None
        try:
            data = self._stores.output.get(first)
            result = None if data is None else read_result(data)
            if result is None or (last not in listed and result.status != "refused"):
                self._seen[first] = etag
                return None
            failure = self._fault(each, result)
        except TransportError:
            return None
        except MessageError as err:
            return replace(each.fate, answered_s=self._now_s(), failure=f"bad result: {err}")
        stills = result.frames.recognized if result.frames else 0
        return replace(each.fate, answered_s=self._now_s(), stills=stills, failure=failure)

    def _fault(self, each: _Open, result: VideoResult) -> str | None:
        """Say what is wrong with a result."""
        if result.complaint is not None:
            return result.complaint
        name, output = naming.name_of(each.fate.name), self._stores.output
        found = {ending: output.get(name + ending) for ending in ENDINGS}
        missing = [ending for ending, data in found.items() if data is None]
        if self._stores.stage.find(naming.poster_key(name)) is None:
            missing.append(".jpg in stage-1")
        if missing:
            return f"outputs missing: {', '.join(missing)}"
        expected = self._plan.expected.get(each.path.name)
        if expected is None:
            return None
        seen = frozenset((found[".txt"] or b"").decode(errors="replace").split("\n")) - {""}
        why = difference(expected, seen)
        return why and f"other names: {why}"

    def _end(self, fate: Fate) -> None:
        self._ended[fate.name] = fate
        self._open.pop(fate.name, None)

    def _standing(self) -> Standing:
        return Standing(
            begun=self._begun,
            open=len(self._open),
            ended=len(self._ended),
            failed=sum(each.failure is not None for each in self._ended.values()),
            of=self._plan.count,
        )
