"""From an image that was chosen to a frame in the spool."""

import hashlib
import time
from collections.abc import Callable, Mapping

from device import jpeg
from device.cameras.camera import Captured
from device.journal import Journal
from device.recording.recording import Recording
from device.settings import Settings
from device.spooling.drops import Drops
from device.spooling.spool import Spool, SpooledFrame
from sightline.keys import frame_key, new_frame_id


class Keeping:
    """Puts images into a spool, as JPEG. One thread's, but for `settings`."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        journal: Journal,
        drops: Drops,
        recording: Recording | None,
        clock_is_set: Callable[[], bool],
    ) -> None:
        self.settings = settings  # from the next image on; may be set from any thread
        self._spool = spool
        self._journal = journal
        self._drops = drops
        self._recording = recording
        self._clock_is_set = clock_is_set

    def keep(self, captured: Captured, gate: Mapping[str, float] | None) -> None:
        """Put one image into the spool, with what the gate said of it; it never waits."""
        begun_s = time.monotonic()
        settings = self.settings
        image = jpeg.fit(captured.image, settings.camera.width, settings.camera.height)
        data = jpeg.encode(image, settings.frames.jpeg_quality)
        frame_id = new_frame_id(captured.captured_at)
        self._journal.count("captured")
        dropped = self._spool.put(
            SpooledFrame(
                frame_id=frame_id,
                key=frame_key(settings.thing, frame_id, captured.captured_at),
                captured_at=captured.captured_at,
                captured_s=captured.captured_s,
                width=image.shape[1],
                height=image.shape[0],
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                encode_ms=(time.monotonic() - begun_s) * 1000,
                gate=gate,
                segment=self._recording.place(captured.captured_s) if self._recording else None,
                clock_set=self._clock_is_set(),
                jpeg=data,
            )
        )
        self._drops.note(dropped)
