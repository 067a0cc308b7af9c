"""An upload and what becomes of it: told apart from whatever else lies under the same name."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cloud.videos.ledger import VideoReader
from cloud.videos.video import Video
from infra.videos.buckets import Inbox, Sent, Shelf
from infra.videos.files import VideoFile
from infra.videos.result import ENDINGS, VideoResult, read_result
from sightline.errors import ConfigError

# An object's time has whole seconds and is when its upload began, an event's is when it ended: for
# one upload they differ, but a result of a video that was stored so much earlier is another's.
_SLACK = timedelta(seconds=2)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Verdict = Literal["ours", "older", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was uploaded.

    Attributes:
        etag: The bucket's word for what was stored; None: not known.
        stored_at: By the bucket's clock.
        before: The job whose result lay under the name when it was uploaded.
    """

    file: VideoFile
    sha256: str
    etag: str | None
    stored_at: datetime
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a video is."""

    upload: Upload
    state: str  # the stack's word for it
    stills: int = 0  # so far
    stills_done: int = 0


def upload(
    file: VideoFile,
    inbox: Inbox,
    outbox: Shelf,
    *,
    metadata: Mapping[str, str] | None = None,
    sent: Sent = lambda _: None,
) -> Upload:
    """Store a file, and note what tells its result from others.

    Raises:
        ConfigError: A bucket, a right or the file is missing.
        TransportError: The stack is out of reach.
    """
    before = _result(outbox, file.name)
    sha256 = digest(file.path)
    inbox.put(file.key, file.path, metadata=metadata or {}, sent=sent)
    stored = inbox.find(file.key)
    if stored is None:
        raise ConfigError(f"{file.path}: {file.key!r} was deleted as soon as it was uploaded")
    return Upload(
        file=file,
        sha256=sha256,
        etag=stored.etag,
        stored_at=stored.stored_at,
        before=before.job if before else None,
    )


def uploaded_before(file: VideoFile, inbox: Inbox, outbox: Shelf) -> Upload:
    """Take up a file that was uploaded some time ago.

    Raises:
        ConfigError: It was not, or too long ago.
        TransportError: The stack is out of reach.
    """
    stored = inbox.find(file.key)
    if stored is None and _result(outbox, file.name) is None:
        raise ConfigError(
            f"{file.path}: the stack has no video {file.key!r}; leave --again off to upload it"
        )
    return Upload(
        file=file,
        sha256=digest(file.path),
        etag=None,  # what lies there may be another file by now
        stored_at=stored.stored_at if stored else _LONG_AGO,
        before=None,
    )


def digest(path: Path) -> str:
    """Give a file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Following:
    """Looks after uploads until each has its result."""

    def __init__(self, uploads: Sequence[Upload], outbox: Shelf, notes: VideoReader | None) -> None:
        """Use the stack's own *notes* to tell how far each is; without, it is done or not."""
        self._open = {each.file.key: each for each in uploads}
        self._outbox = outbox
        self._notes = notes
        self.results: dict[str, VideoResult] = {}  # by key
        self.replaced: list[Upload] = []

    @property
    def open(self) -> tuple[Upload, ...]:
        """Those without a result."""
        return tuple(self._open.values())

    def look(self, show: Callable[[Standing], None] = lambda _: None) -> None:
        """Look once at each that is open; *show* is told of all of them, and how they ended."""
        for each in self.open:
            note = self._notes.find(each.file.name) if self._notes else None
            found = self._found(each, note)
            verdict = "older" if found is None else judge(each, found, note)
            if verdict == "replaced":
                self.replaced.append(self._open.pop(each.file.key))
                show(Standing(upload=each, state="replaced"))
            elif verdict == "ours" and found is not None and self._is_whole(found):
                del self._open[each.file.key]
                self.results[each.file.key] = found
                show(_standing(each, note, state=found.status))
            else:
                show(_standing(each, note))

    def _found(self, upload: Upload, note: Video | None) -> VideoResult | None:
        """Read the result under the name, or that a file was refused whose name another has."""
        found, key = _result(self._outbox, upload.file.name), upload.file.key
        holder = note.key if note else found.video if found else key
        aside = None if holder == key else _result(self._outbox, key)
        if aside is not None and aside.video == key and judge(upload, aside, note) == "ours":
            return aside
        return found

    def _is_whole(self, result: VideoResult) -> bool:
        """Tell whether all outputs are there: the one read is the first that is written."""
        if result.status == "refused":
            return True
        first, *others = (self._outbox.find(result.name + ending) for ending in ENDINGS)
        return first is not None and all(
            each is not None and each.stored_at >= first.stored_at for each in others
        )


def judge(upload: Upload, result: VideoResult, note: Video | None) -> Verdict:
    """Tell whether *result* is of this upload, of one before it, or of one that replaced it."""
    if result.job == upload.before or result.uploaded_at < upload.stored_at - _SLACK:
        return "older"
    # A refused video may never have been read, and so have no digest.
    if result.sha256 in (upload.sha256, None):
        return "ours"
    if result.uploaded_at > upload.stored_at + _SLACK:
        return "replaced"
    # Two within a moment: the stack knows which was the later one.
    is_last = note is not None and note.job == result.job and note.etag != upload.etag
    return "replaced" if is_last else "older"


def _standing(upload: Upload, note: Video | None, state: str | None = None) -> Standing:
    if note is None or (upload.etag is not None and note.etag != upload.etag):
        return Standing(upload=upload, state=state or "waiting")
    known = Standing(
        upload=upload, state=note.state, stills=note.stills, stills_done=note.stills_done
    )
    return replace(known, state=state) if state else known


def _result(outbox: Shelf, name: str) -> VideoResult | None:
    data = outbox.get(f"{name}.json")
    return None if data is None else read_result(data)
