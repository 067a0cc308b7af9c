"""What is done without looking at any still: clearing the way for an upload, and refusing one."""

from datetime import datetime

from cloud.videos import naming
from cloud.videos.ledger import Ledger, SupersededError, change, current
from cloud.videos.objects import JSON, Objects
from cloud.videos.report import write_refusal
from cloud.videos.video import Video
from sightline.errors import VideoError
from sightline.keys import MAX_KEY_BYTES

_FEW = 100  # are asked for their stamps, one by one
_BATCH = 1000  # deleted at once


def wipe(video: Video, *, ledger: Ledger, stage: Objects, outputs: Objects) -> None:
    """Delete what earlier uploads have left under the name: who waits for outputs gets new ones.

    Raises:
        SupersededError: A newer upload has the name.
        TransportError: A service did not answer.
    """
    _remove_outputs(video, video.rank, stage=stage, outputs=outputs, with_json=True)
    outputs.remove(_aside_keys(video), before=_aside_stamp(video))
    if naming.fits(video.name):
        _remove_stills(video, 0, ledger=ledger, stage=stage, older=True)


def trim(video: Video, *, ledger: Ledger, stage: Objects) -> None:
    """Delete the stills under the name that a finished *video* does not have.

    Raises:
        SupersededError: A newer upload has the name.
        TransportError: A service did not answer.
    """
    if video.outcome == "refused":
        _remove_stills(video, 0, ledger=ledger, stage=stage)
    elif not video.cleared:  # its own may be on their way after all
        _remove_stills(video, 0, ledger=ledger, stage=stage, older=True)
    elif video.outcome == "done":  # else late chunks may still need theirs
        wanted = video.wanted_still
        after = video.stills if wanted is None else 0
        _remove_stills(video, after, but=wanted, ledger=ledger, stage=stage)


def _remove_stills(
    video: Video,
    after: int,
    *,
    ledger: Ledger,
    stage: Objects,
    but: int | None = None,
    older: bool = False,
) -> None:
    """Delete stills numbered above *after*, less the one numbered *but*; or *older* uploads' only.

    Raises:
        SupersededError: A newer upload has the name.
        TransportError: A service did not answer.
    """
    numbers = {
        key: naming.still_number(video.name, key)
        for key in stage.names(naming.still_folder(video.name))
    }
    keys = [
        key
        for key, number in numbers.items()
        if number is not None and number > after and number != but
    ]
    if len(keys) <= _FEW:
        stage.remove(keys, before=video.rank if older else _with_own(video.rank))
        return
    for begin in range(0, len(keys), _BATCH):
        # To ask each of thousands for its stamp would take minutes. A newer upload that begins
        # between this look and the deletion has no still yet.
        stands = current(ledger, video)
        if older and stands.cleared:
            return  # somebody else has done it, and stills of this upload may be there
        stage.remove(keys[begin : begin + _BATCH])


def _with_own(stamp: str) -> str:
    """Return what sorts right behind *stamp*: what is before it may be one's own."""
    return f"{stamp}~"


def refuse(
    video: Video,
    err: VideoError,
    *,
    ledger: Ledger,
    stage: Objects,
    outputs: Objects,
    now: datetime,
) -> None:
    """Say in `<name>.json` why the upload is no video, and note it.

    Raises:
        SupersededError: A newer upload has the name.
        TransportError: A service did not answer.
    """

    def note(stands: Video) -> Video:
        return stands.refused(err.reason, str(err), now=now)

    stands = current(ledger, video)
    write_refused(note(stands), stage=stage, outputs=outputs)
    noted = change(ledger, video, note)
    if noted.revision > stands.revision + 1:  # the sweeper has meanwhile taken it for stalled
        write_refused(noted, stage=stage, outputs=outputs)


def write_refused(video: Video, *, stage: Objects, outputs: Objects) -> None:
    """Write the outputs of a refused video, and delete those that it does not have.

    Raises:
        SupersededError: A newer upload's outputs are there.
    """
    key = naming.json_key(video.name)
    # The longest keys leave no room for an ending; then the ledger alone says it.
    if len(key.encode()) <= MAX_KEY_BYTES:
        stored = outputs.put(key, write_refusal(video), content_type=JSON, stamp=video.stamp)
        if not stored:
            raise SupersededError(f"a newer upload has the name {video.name!r}")
    _remove_outputs(video, _with_own(video.stamp), stage=stage, outputs=outputs, with_json=False)


def write_aside(video: Video, *, outputs: Objects) -> None:
    """Write the report about a refused upload whose name another file's video has: `a.srt.json`.

    Raises:
        TransportError: A service did not answer.
    """
    for key in _aside_keys(video):
        stamp = _aside_stamp(video)
        outputs.put(key, write_refusal(video), content_type=JSON, stamp=stamp)


def _aside_stamp(video: Video) -> str:
    """Return what sorts before each output of a video: that of `a.srt.mp4` is `a.srt.json` too."""
    return f"#{video.order}"


def _aside_keys(video: Video) -> list[str]:
    key = naming.json_key(video.key)
    # Without an ending, the file is called as the other's video is; then the log alone says it.
    return [key] if video.key != video.name and len(key.encode()) <= MAX_KEY_BYTES else []


def _remove_outputs(
    video: Video, before: str, *, stage: Objects, outputs: Objects, with_json: bool
) -> None:
    keys = [naming.txt_key(video.name), naming.csv_key(video.name)]
    keys += [naming.json_key(video.name)] if with_json else []
    fitting = [key for key in keys if len(key.encode()) <= MAX_KEY_BYTES]
    outputs.remove(fitting, before=before)
    poster = naming.poster_key(video.name)
    stage.remove([poster] if len(poster.encode()) <= MAX_KEY_BYTES else [], before=before)
