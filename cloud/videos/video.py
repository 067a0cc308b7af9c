"""One video, from its upload to its outputs: all that is remembered of it, as a value.

What happens to a video is a method that gives the changed value. The ledger writes it only if
nobody else has changed it meanwhile, so that each decision here is taken by one, and once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from cloud.videos import naming
from sightline.errors import MessageError, VideoReason
from sightline.wire import Json

Outcome = Literal["done", "incomplete", "refused"]
State = Literal["waiting", "splitting", "recognizing", "finishing", "done", "incomplete", "refused"]

FIRST = "first"  # the sampling that wants no more than one usable still

MAX_PROBLEMS = 20
_MAX_PROBLEM = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFacts:
    """What the file says about itself; width and height are those of the picture, upright."""

    codec: str
    width: int
    height: int
    duration_s: float | None = None
    rate: float | None = None  # frames a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Somebody is writing the outputs; if they have not ended by then, they never will."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One upload under one name, and how far it is."""

    name: str
    key: str  # of the upload
    job: str
    order: str  # see `cloud.videos.upload.Upload.order`
    etag: str
    bytes: int
    uploaded_at: datetime
    changed_at: datetime
    expires_at: datetime  # when this row is forgotten
    settings: Mapping[str, Json]  # those that decide which stills there are
    revision: int = 1  # one more with each change
    rank_above: str = ""  # see `rank`
    film_before: str = ""  # the order of the newest film that has had the name
    cleared: bool = False  # what an earlier upload left behind is gone
    # What the split function found out. Offsets are from the film's begin.
    sha256: str | None = None
    film: FilmFacts | None = None
    began_at: datetime | None = None  # when the film was taken: the time of offset 0
    stills: int = 0  # known of, and numbered from 1
    chunks_sent: int = 0  # less the last, which is sent when `chunks` is known
    stills_sent: int = 0  # in those chunks
    after_ms: int | None = None  # offset of the last still that was sent
    chunks: int | None = None  # in all; None: the film has not ended yet
    problems: tuple[str, ...] = ()
    download_ms: float = 0
    split_ms: float = 0
    # What was done with the stills.
    stills_done: int = 0
    chunks_done: int = 0
    chosen: int | None = None  # the one still that was wanted, where only one is
    # How it ended.
    lease: Lease | None = None
    outcome: Outcome | None = None
    reason: VideoReason | None = None
    detail: str | None = None
    finished_at: datetime | None = None
    reopened: bool = False  # something came after it was finished
    contested: bool = False  # somebody may still write outputs of the upload before

    def __post_init__(self) -> None:
        naming.check_job(self.job)
        if min(self.stills, self.chunks_sent, self.stills_done, self.chunks_done) < 0:
            raise MessageError("a video's counters cannot be negative")
        for at in (self.uploaded_at, self.changed_at, self.expires_at):
            if at.tzinfo != UTC:
                raise MessageError(f"{at} is not in UTC")

    @property
    def device(self) -> str:
        """The virtual device whose frames the stills are."""
        return naming.device_of(self.job)

    @property
    def sampling(self) -> str:
        """Which stills are taken, as `cloud.videos.sampling` writes it."""
        return str(self.settings.get("sampling", ""))

    @property
    def wants_first(self) -> bool:
        """Whether one usable still is enough."""
        return self.sampling == FIRST

    @property
    def is_whole(self) -> bool:
        """Whether all chunks were sent, and all are done."""
        return self.chunks is not None and self.chunks_done >= self.chunks

    @property
    def is_settled(self) -> bool:
        """Whether nothing that comes can change it any more."""
        return self.outcome in ("done", "refused")

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to do, or to wait for."""
        return self.outcome is None or self.reopened

    @property
    def state(self) -> State:
        """How far it is, in a word."""
        if self.outcome is not None:
            return self.outcome
        if self.lease is not None:
            return "finishing"
        if self.chunks is not None:
            return "recognizing"
        return "waiting" if self.film is None else "splitting"

    @property
    def wanted_still(self) -> int | None:
        """The number of the one still that counts; None: all do."""
        return (self.chosen or 1) if self.wants_first else None

    @property
    def rank(self) -> str:
        """A text that sorts uploads under one name as they got it; most got it as they came."""
        return self.rank_above or self.order

    @property
    def newest_film(self) -> str:
        """The order of the newest film that has or has had the name; none: empty."""
        return self.film_before if self.film is None else self.order

    @property
    def stamp(self) -> str:
        """A text that sorts what is written of videos of that name: the later is the truer."""
        return f"{self.rank}#{self.chunks_done:06}"

    def wiped(self, now: datetime) -> "Video":
        """Note that nothing of an earlier upload is left."""
        return self if self.cleared else replace(self, cleared=True, changed_at=now)

    def opened(
        self,
        *,
        film: FilmFacts,
        sha256: str,
        sampling: str,
        began_at: datetime,
        download_ms: float,
        now: datetime,
    ) -> "Video":
        """Note what the file is."""
        if self.is_settled:
            return self
        return replace(
            self,
            film=film,
            sha256=sha256,
            settings={**self.settings, "sampling": sampling},
            # Numbers and times of stills must not differ between one try and the next.
            began_at=self.began_at or began_at,
            download_ms=round(self.download_ms + download_ms, 1),
            changed_at=now,
            reopened=self.outcome is not None,
        )

    def sent(
        self, *, chunk: int, stills: int, after_ms: int | None, split_ms: float, now: datetime
    ) -> "Video":
        """Note that all chunks up to *chunk* are on their way, with that many stills in all."""
        if chunk <= self.chunks_sent or self.is_settled:
            return self  # split again from an earlier point: the same stills in the same chunks
        return replace(
            self,
            chunks_sent=chunk,
            stills=stills,
            stills_sent=stills,
            after_ms=after_ms,
            split_ms=round(self.split_ms + split_ms, 1),
            changed_at=now,
            reopened=self.outcome is not None,
        )

    def ended(
        self,
        *,
        chunks: int,
        stills: int,
        problems: tuple[str, ...],
        split_ms: float,
        now: datetime,
    ) -> "Video":
        """Note how many chunks there are; the last of them is sent after that, and not before.

        So whoever does the last sees that it is the last, and the split function need not look.
        """
        if self.chunks is not None or self.is_settled:
            return self
        return replace(
            self.with_problems(problems),
            chunks=chunks,
            stills=stills,
            split_ms=round(self.split_ms + split_ms, 1),
            changed_at=now,
            reopened=self.outcome is not None,
        )

    def marked(self, *, stills: int, now: datetime) -> "Video":
        """Count one more chunk as done."""
        if self.is_settled:
            return self
        done = self.stills_done + stills
        return replace(
            self,
            stills=max(self.stills, done),  # a chunk may be done before it is noted as sent
            stills_done=done,
            chunks_done=self.chunks_done + 1,
            changed_at=now,
            reopened=self.outcome is not None,
        )

    def chose(self, number: int, chunk: int) -> "Video":
        """Note the one still that is wanted: there will be no chunk after its own."""
        if self.chosen is not None or self.is_settled:
            return self
        return replace(self, chosen=number, chunks=chunk)

    def claimed(self, holder: str, *, lease_s: float, now: datetime) -> "Video | None":
        """Note that *holder* writes the outputs; None if they are written, or somebody is at it."""
        if not self.is_open:
            return None
        if self.lease is not None and self.lease.holder != holder and self.lease.until > now:
            return None
        return replace(
            self,
            lease=Lease(holder=holder, until=now + timedelta(seconds=lease_s)),
            changed_at=now,
        )

    def released(self, holder: str) -> "Video":
        """Note that *holder* could not write the outputs, so that another may try."""
        return replace(self, lease=None) if self.holds(holder) else self

    def holds(self, holder: str) -> bool:
        """Tell whether it is *holder* who writes the outputs."""
        return self.lease is not None and self.lease.holder == holder

    def finished(self, outcome: Outcome, *, now: datetime) -> "Video":
        """Note that all outputs are written."""
        return replace(
            self, outcome=outcome, lease=None, finished_at=now, changed_at=now, reopened=False
        )

    def refused(self, reason: VideoReason, detail: str, *, now: datetime) -> "Video":
        """Note why there is nothing to split."""
        said, is_contested = detail[:_MAX_PROBLEM], self.contested or self.lease is not None
        ended = self.finished("refused", now=now)
        # Left open, the sweeper looks once more for outputs that a refused video does not have.
        return replace(
            ended, reason=reason, detail=said, reopened=is_contested, contested=is_contested
        )

    def tidied(self) -> "Video":
        """Note that a refused video has no outputs of others any more."""
        return replace(self, reopened=False, contested=False)

    def with_problems(self, problems: tuple[str, ...]) -> "Video":
        """Add what else was not as it should be; each is said once."""
        shortened = tuple(problem[:_MAX_PROBLEM] for problem in problems)
        said = tuple(dict.fromkeys(self.problems + shortened))
        return replace(self, problems=said[:MAX_PROBLEMS])
