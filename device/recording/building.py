"""The recording that settings ask for, put together."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from device.journal import Journal
from device.recording.pi_encoder import PiEncoder
from device.recording.recorder import QUEUE_BYTES, Recorder
from device.recording.recording import Recording, check_package
from device.recording.ring import Ring
from device.recording.segment_store import SegmentStore
from device.recording.uploads import SegmentUploads
from device.recording.writer import OpenWriter, Unit, Writer
from device.settings import Settings, is_path
from device.state_folder import state_folder

log = logging.getLogger(__name__)

PI_QUEUE_BYTES = 8_000_000  # packets of half a minute


@contextlib.contextmanager
def open_recording(
    settings: Settings, environment: Mapping[str, str], journal: Journal, store: SegmentStore
) -> Iterator[Recording | None]:
    """Build what records the camera of *settings*, switched on if they say so.

    Where the disk does not take the ring, the recorder tries again later, and says so.

    Gives:
        None: The camera is nothing that could be recorded.

    Raises:
        ConfigError: A package is missing, or another agent records there.
    """
    wanted, source = settings.recording, settings.camera.source
    if is_path(source) and Path(source).is_dir():
        if wanted.enabled:
            log.warning("[recording] is on, and a folder of pictures is nothing to record")
        yield None
        return
    if wanted.enabled:
        check_package()
    ring = Ring(
        wanted.folder or state_folder(settings.thing, environment) / "segments",
        max_bytes=wanted.max_bytes,
        keep_free_bytes=wanted.keep_free_bytes,
        on_dropped=lambda dropped: journal.count("segments_dropped", dropped),
    )
    recording = _build(settings, ring, journal, store)
    with contextlib.closing(ring):
        if wanted.enabled:
            try:
                ring.open()
            except OSError as err:
                log.warning("recording waits: %s: %s", ring.folder, err.strerror or err)
        yield recording


def _build(settings: Settings, ring: Ring, journal: Journal, store: SegmentStore) -> Recording:
    wanted = settings.recording
    on_pi = settings.camera.source == "picamera2"
    recorder: Recorder[Any] = Recorder(
        ring,
        _opener(settings),
        segment_s=wanted.segment_s,
        duration_s=wanted.duration_s,
        on=wanted.enabled,
        each_frame=not on_pi,
        queue_bytes=PI_QUEUE_BYTES if on_pi else QUEUE_BYTES,
        count=journal.count,
    )
    uploads = SegmentUploads(
        settings.thing, ring, store, on_uploaded=lambda: journal.count("segments_uploaded")
    )
    encoder = PiEncoder(recorder, wanted) if on_pi else None
    camera = settings.camera
    return Recording(
        wanted, recorder, ring, uploads, pi_encoder=encoder, within=(camera.width, camera.height)
    )


def _opener(settings: Settings) -> OpenWriter[Any]:
    """Choose what makes files; what that needs is loaded with the first one, as it is large."""
    wanted = settings.recording

    def of_frames(path: Path, first: Unit[Any]) -> Writer[Any]:
        from device.recording.av_writer import AvWriter

        return AvWriter(path, first, wanted)

    def of_packets(path: Path, first: Unit[Any]) -> Writer[Any]:
        from device.recording.pi_writer import PiWriter

        return PiWriter(path, first)

    return of_packets if settings.camera.source == "picamera2" else of_frames
