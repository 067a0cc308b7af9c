"""Getting everything ready for the first frame, as early as can be."""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from sightline.faces.engines import load_engine

if TYPE_CHECKING:  # imported while the engine is loaded
    from sightline.faces.recognizer import Recognizer

T = TypeVar("T")


class Loading(Generic[T]):
    """Something that a thread of its own makes meanwhile.

    `concurrent.futures` would do; but importing it takes as long as is gained.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        """Begin."""
        self._made: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(make,), daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait for it; what went wrong in the thread is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made[0]

    def _run(self, make: Callable[[], T]) -> None:
        try:
            self._made.append(make())
        except BaseException as err:  # whatever it is, it is the waiting one's
            self._error = err


def load_recognizer(
    engine: str = "dlib",
    *,
    folder: Path | None = None,
    smallest_face_px: int | None = None,
    threads: int = 1,
) -> "Recognizer":
    """Load an engine and a detector, and what they need.

    The engine's weights are read and checked while OpenCV and Pillow are imported, since neither
    needs the other: where there is a second core, and a starting function on Lambda has one, this
    takes a fifth off the time to the first frame.

    Args:
        engine: Its name.
        folder: Where its file lies; by default the user's cache.
        smallest_face_px: The side of the smallest face to look for. None: the detector's own, and
            a smaller one that it finds by chance is kept, to say of a photo that it is too small.
        threads: Of each network. A worker a core with one each does more frames a second than
            fewer workers with more; more answer one frame sooner.

    Raises:
        ModelError: A network is missing or damaged.
    """
    loading = Loading(lambda: load_engine(engine, folder=folder, threads=threads))
    from sightline.faces.detector import SMALLEST_FACE_PX, Detector
    from sightline.faces.recognizer import Recognizer

    detector = Detector(smallest_face_px=smallest_face_px or SMALLEST_FACE_PX, threads=threads)
    recognizer = Recognizer(detector, loading.result(), smallest_face_px=smallest_face_px or 0)
    _give_back()
    return recognizer


def _give_back() -> None:
    """Return to the system what loading took and left free.

    Optimising a graph leaves up to 45 MB, which the C library would keep for as long as the
    process lives. It takes 3 ms then, and a fifth of one where the graph was kept.
    """
    with contextlib.suppress(AttributeError, OSError):  # glibc's own; elsewhere there is none
        ctypes.CDLL(None).malloc_trim(0)
