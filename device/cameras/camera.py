"""The port that every camera fits, and the value it gives."""

from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (height, width, 3), B, G, R: OpenCV's own order, as its JPEG encoder's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Captured:
    """One image, and when it was taken."""

    image: Image
    captured_at: datetime  # in UTC
    captured_s: float  # on the monotonic clock, for latencies
    asked: bool = False  # somebody wanted this very one


class Pace(Protocol):
    """When the next frame is wanted; see `device.capture.Schedule`."""

    def remaining_s(self) -> float:
        """Tell how long it is until then; 0 if it is now."""

    def pause(self, seconds: float) -> None:
        """Wait so long, or less if the frame has come to be wanted at once."""


class Camera(Protocol):
    """A source of frames, open from `__enter__` to `__exit__`.

    All of it is called from one thread. `__enter__` raises ConfigError if there can be no such
    camera, and CameraError if there is none now.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...

    def capture(self, pace: Pace) -> Captured | None:
        """Wait until *pace* wants a frame, and give the first one taken from then on.

        What comes before is thrown away here, as cheaply as this camera can: a live one goes on
        filling its buffer whether we look or not, and would then give frames of long ago.

        Returns:
            None at the orderly end: a clip or a folder has no more.

        Raises:
            CameraError: There will be no more frames.
        """
        ...
