"""Videos on the screen while they are uploaded and worked on."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra.cli.console import err
from infra.videos.files import VideoFile
from infra.videos.following import Standing

_EVERY_S = 5.0  # how often a video's progress is told where there is no screen
_ENDS = ("complete", "incomplete", "refused", "replaced")
_WAITING = {"waiting": "waits for its turn", "splitting": "is cut into stills"}


class VideoProgress:
    """A bar a video on a terminal, else a line now and then; in use from `with` to its end."""

    def __init__(
        self, console: Console = err, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = clock
        self._told: dict[str, tuple[str, float]] = {}  # by key: what was told, and when
        self._bars: dict[str, TaskID] = {}
        self._sent: dict[str, int] = {}
        self._lock = threading.Lock()  # an upload tells from several threads
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def sending(self, file: VideoFile) -> Callable[[int], None]:
        """Begin an upload; give what is to be told of the bytes that went."""
        size = max(1, file.path.stat().st_size)
        bar = self._bar(file.key)
        self._progress.update(bar, total=size, completed=0, said=f"upload, {size / 1e6:.1f} MB")

        def sent(count: int) -> None:
            with self._lock:
                self._progress.advance(bar, count)

        return sent

    def sent(self, file: VideoFile) -> None:
        """End an upload."""
        if not self._console.is_terminal:
            self._line(f"{file.key}: uploaded, {file.path.stat().st_size / 1e6:.1f} MB")

    def show(self, standing: Standing) -> None:
        """Show how far a video is."""
        key, ended = standing.upload.file.key, standing.state in _ENDS
        said = _WAITING.get(standing.state, standing.state)
        if standing.stills and not ended:
            said += f", {standing.stills_done} of {standing.stills} stills"
        self._progress.update(
            self._bar(key),
            total=standing.stills or None,
            completed=standing.stills if ended else standing.stills_done,
            said=said,
        )
        if self._console.is_terminal:
            return
        before, at_s = self._told.get(key, ("", 0.0))
        now_s = self._clock()
        is_new = before.partition(",")[0] != said.partition(",")[0]
        if is_new or (said != before and now_s - at_s >= _EVERY_S):
            self._told[key] = said, now_s
            self._line(f"{key}: {said}")

    def _bar(self, key: str) -> TaskID:
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(escape(key), total=None, said="")
        return self._bars[key]

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
