"""Everything that recording is made of, as the agent knows it."""

import dataclasses
import threading
from importlib.util import find_spec
from typing import Any

from device.cameras.camera import Captured
from device.recording.pi_encoder import PiEncoder
from device.recording.planes import unit
from device.recording.recorder import Recorder
from device.recording.ring import Ring
from device.recording.settings import RecordingSettings
from device.recording.uploads import SegmentUploads
from sightline.errors import ConfigError
from sightline.messages import Segment

PACKAGE = "av"


def check_package() -> None:
    """See that what records is installed.

    Raises:
        ConfigError: It is not.
    """
    if find_spec(PACKAGE) is None:
        raise ConfigError(
            f"[recording] needs a package that is missing ({PACKAGE}): "
            "pip install '.[device,record]', or set enabled = false"
        )


class Recording:
    """A recorder, the ring it writes to, and who takes segments from there to the bucket."""

    def __init__(
        self,
        settings: RecordingSettings,
        recorder: Recorder[Any],
        ring: Ring,
        uploads: SegmentUploads,
        *,
        pi_encoder: PiEncoder | None = None,
        within: tuple[int, int] | None = None,
    ) -> None:
        """Put it together as *settings* say.

        Args:
            pi_encoder: What gives packets to *recorder*; None: it is given frames.
            within: A width and a height that those are shrunk to fit; None: they stay as they are.
        """
        self._settings = settings
        self._recorder = recorder
        self._ring = ring
        self._uploads = uploads
        self.pi_encoder = pi_encoder
        self._within = within
        uploads.switch(settings.upload_video)

    @property
    def each_frame(self) -> bool:
        """See `device.capture.Recorder`."""
        return self._recorder.each_frame

    @property
    def trouble(self) -> str | None:
        """Say what keeps the video from being recorded or uploaded; None: nothing."""
        return self._recorder.trouble or self._uploads.trouble

    def change(self, settings: RecordingSettings) -> None:
        """Do as *settings* say from now on: on, duration, length, upload; the rest at a restart.

        Raises:
            ConfigError: It cannot.
        """
        if settings.enabled:
            check_package()
        on = None if settings.enabled == self._settings.enabled else settings.enabled
        self._recorder.change(on=on, segment_s=settings.segment_s, duration_s=settings.duration_s)
        self._uploads.switch(settings.upload_video)
        self._settings = dataclasses.replace(
            self._settings,
            enabled=settings.enabled,
            segment_s=settings.segment_s,
            duration_s=settings.duration_s,
            upload_video=settings.upload_video,
        )

    def frame(self, captured: Captured) -> None:
        """See `device.capture.Recorder`."""
        self._recorder.offer(unit(captured, within=self._within))

    def place(self, captured_s: float) -> Segment | None:
        """Tell where in the video a frame is; None: it is not in it."""
        return self._recorder.place(captured_s)

    def pause(self, paused: bool) -> None:
        """See `device.capture.Recorder`."""
        self._recorder.pause(paused)

    def run(self) -> None:
        """Write segments until `end` or `close`."""
        self._recorder.run()

    def upload(self, stop: threading.Event) -> None:
        """Upload segments, if they are to be, until *stop* is set and `close` called."""
        self._uploads.run(stop)

    def end(self) -> None:
        """Take no more frames."""
        self._recorder.close()

    def drain(self, stop: threading.Event) -> None:
        """Wait until all is uploaded that is to be, or cannot be now, or *stop* is set."""
        while self._uploads.wanted and self._ring.ids() and not self.trouble:
            if stop.wait(0.05):
                return

    def close(self) -> None:
        """Take no more frames, and try no longer to upload any."""
        self.end()
        self._uploads.close()
