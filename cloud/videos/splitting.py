"""The work of the split function: from an upload to stills, and references to them on the queue.

It may be stopped anywhere and begun again: stills have the same numbers and chunks the same stills
each time, and the ledger says up to where all was sent. The last chunk is sent only after the
ledger knows how many there are, so that whoever does it is the one to finish.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloud.videos import naming
from cloud.videos.clearing import refuse, trim, wipe, write_aside, write_refused
from cloud.videos.film_port import Film, OpenFilm
from cloud.videos.handover import Continuation
from cloud.videos.ledger import SupersededError, begin, change
from cloud.videos.objects import Objects, ReplacedError, Uploads
from cloud.videos.sampling import Sampling
from cloud.videos.sending import MAX_STILLS, Sending, SendingPorts
from cloud.videos.succession import TakenError
from cloud.videos.upload import Upload
from cloud.videos.video import FilmFacts, Video
from sightline.errors import ConfigError, MissingError, VideoError

log = logging.getLogger(__name__)

_NO_CLOCK = datetime(1990, 1, 1, tzinfo=UTC)  # what a container without a clock says is before


@dataclass(frozen=True, slots=True, kw_only=True)
class SplittingPorts:
    """Everything outside that splitting needs."""

    uploads: Uploads
    outputs: Objects
    open_film: OpenFilm
    sending: SendingPorts


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken on."""

    sampling: Sampling
    max_bytes: int
    days: int  # until a video's rows are forgotten
    max_stills: int = MAX_STILLS


class Splitting:
    """Splits videos, one at a time."""

    def __init__(
        self,
        ports: SplittingPorts,
        limits: Limits,
        *,
        now: Callable[[], datetime],
        folder: Path | None = None,
    ) -> None:
        """Join the parts.

        Args:
            ports: Everything outside.
            limits: How much is taken on.
            now: The time, with its zone.
            folder: Where the upload is kept meanwhile; None: the system's own.
        """
        self._ports = ports
        self._ledger, self._stage = ports.sending.ledger, ports.sending.stage
        self._outputs = ports.outputs
        self._limits = limits
        self._now = now
        self._folder = folder

    def split(self, upload: Upload, time_left_s: Callable[[], float]) -> None:
        """Split a new upload.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
        """
        video = self._new(upload)
        try:
            with suppress(TakenError):  # that file keeps the name, unless this one is a film too
                video = begin(self._ledger, video)
                with suppress(SupersededError):  # by which file's, is seen when this one is open
                    video = self._cleared(video)
            # The same event again, after the candidates were sent: who looks at them asks for more.
            if not _waits(video):
                self._split(video, time_left_s)
        except SupersededError as err:
            log.info("the upload %s of %s is dropped: %s", video.job, ascii(upload.key), err)
            self._tidy(video.name)

    def _new(self, upload: Upload) -> Video:
        now = self._now()
        return Video(
            name=upload.name,
            key=upload.key,
            job=upload.job,
            order=upload.order,
            etag=upload.etag,
            bytes=upload.bytes,
            uploaded_at=upload.uploaded_at,
            changed_at=now,
            expires_at=now + timedelta(days=self._limits.days),
            settings={
                "sampling": str(self._limits.sampling),
                "max_stills": self._limits.max_stills,
            },
        )

    def go_on(self, continuation: Continuation, time_left_s: Callable[[], float]) -> None:
        """Go on with a video that was split up to some point.

        Raises:
            TransportError: A service did not answer; try again.
        """
        video = self._ledger.find(continuation.video)
        if video is None or video.job != continuation.job:
            log.info("the upload %s is dropped: a newer one has its name", continuation.job)
            self._tidy(continuation.video)
            return
        if video.wants_first and video.chunks_sent > continuation.chunks:
            return  # somebody asked twice
        try:
            self._split(video, time_left_s)
        except SupersededError as err:
            log.info("the upload %s is dropped: %s", video.job, err)
            self._tidy(video.name)

    def _split(self, video: Video, time_left_s: Callable[[], float]) -> None:
        if video.is_settled or video.chosen is not None:
            log.info("the video %s is finished already", ascii(video.name))
            self._tidy(video.name)
            return
        try:
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                self._read(video, Path(folder) / "video", time_left_s)
        except VideoError as err:
            log.info("the upload %s is refused, %s: %s", ascii(video.key), err.reason, err)
            self._refuse(video, err)
        except ReplacedError as err:
            # What replaced it has an event of its own, which will take this row over.
            raise SupersededError(str(err)) from err

    def _cleared(self, video: Video) -> Video:
        """Take away what earlier uploads have left, once."""
        if video.cleared or video.is_settled:
            return video
        wipe(video, ledger=self._ledger, stage=self._stage, outputs=self._outputs)
        return change(self._ledger, video, lambda stands: stands.wiped(self._now()))

    def _refuse(self, video: Video, err: VideoError) -> None:
        """Write why there is nothing to split: aside, if another file's video has the name."""
        now = self._now()
        try:
            refuse(
                video,
                err,
                ledger=self._ledger,
                stage=self._stage,
                outputs=self._outputs,
                now=now,
            )
        except SupersededError:
            stands = self._ledger.find(video.name)
            if stands is None or stands.key == video.key:
                raise
            refused = video.refused(err.reason, str(err), now=now)
            write_aside(refused, outputs=self._outputs)

    def _tidy(self, name: str) -> None:
        """Take away what was stored by one who did not know yet that nobody wants it."""
        stands = self._ledger.find(name)
        if stands is None or not stands.is_settled:
            return
        with suppress(SupersededError):
            if stands.outcome == "refused":
                write_refused(stands, stage=self._stage, outputs=self._outputs)
            trim(stands, ledger=self._ledger, stage=self._stage)

    def _read(self, video: Video, path: Path, time_left_s: Callable[[], float]) -> None:
        sampling = self._check(video)
        watch = time.perf_counter()
        try:
            sha256 = self._ports.uploads.fetch(video.key, video.etag, path)
        except MissingError as err:
            raise _gone(video) from err
        download_ms = (time.perf_counter() - watch) * 1000
        with self._ports.open_film(path) as film:

            def opened(stands: Video) -> Video:
                return stands.opened(
                    film=_facts(film),
                    sha256=sha256,
                    sampling=sampling if not stands.chunks_sent else stands.sampling,
                    began_at=_began_at(film, video),
                    download_ms=download_ms,
                    now=self._now(),
                )

            video = self._cleared(self._opened(video, opened))
            sending = Sending(
                video, film, self._ports.sending, now=self._now, time_left_s=time_left_s
            )
            if sending.run().is_settled:
                self._tidy(video.name)

    def _opened(self, video: Video, opened: Callable[[Video], Video]) -> Video:
        """Note that *video* is a film, which may have the name if another file's has it.

        Raises:
            SupersededError: A newer film has the name, or somebody else is further with this one.
            TransportError: The ledger did not answer.
        """

        def keep_report(before: Video) -> None:
            if before.outcome == "refused" and before.key != video.key:
                write_aside(before, outputs=self._outputs)

        try:
            return change(self._ledger, video, opened)
        except SupersededError:
            if video.film is not None:  # it had the name as a film, and has lost it
                raise
        entered = begin(self._ledger, opened(video), taking_from=keep_report)
        if entered.is_settled or entered.chosen is not None or _waits(entered):
            raise SupersededError(f"the event of {video.key!r} came twice")
        return entered

    def _check(self, video: Video) -> str:
        """See that the upload can be read, before it is; return which stills to take."""
        if not naming.fits(video.name):
            raise VideoError("the key is too long for the keys of stills", reason="unsupported")
        try:
            facts = self._ports.uploads.facts(video.key, video.etag)
        except MissingError as err:
            raise _gone(video) from err
        if not facts.bytes:
            raise VideoError("the file has no bytes", reason="empty")
        if facts.bytes > self._limits.max_bytes:
            raise VideoError(
                f"the file has {facts.bytes} bytes; at most {self._limits.max_bytes} are read",
                reason="too_large",
            )
        if facts.sampling is None:
            return video.sampling
        try:
            return str(Sampling.parse(facts.sampling))
        except ConfigError as err:
            raise VideoError(f"its sightline-sampling: {err}", reason="unsupported") from err


def _waits(video: Video) -> bool:
    """Tell whether more is sent only if somebody asks: candidates are being looked at."""
    return video.wants_first and bool(video.chunks_sent) and video.chunks is None


def _facts(film: Film) -> FilmFacts:
    return FilmFacts(
        codec=film.codec,
        width=film.width,
        height=film.height,
        duration_s=film.duration_s,
        rate=film.rate,
    )


def _began_at(film: Film, video: Video) -> datetime:
    """Tell when the film was taken: by its own clock, else such that it ended at the upload."""
    if film.created_at is not None and _NO_CLOCK <= film.created_at <= video.uploaded_at:
        return film.created_at.astimezone(UTC)
    return video.uploaded_at - timedelta(seconds=film.duration_s or 0)


def _gone(video: Video) -> VideoError:
    return VideoError(f"{video.key!r} was deleted before it was read", reason="gone")
