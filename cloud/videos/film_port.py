"""Films as the split function sees them: a port, whose real side needs FFmpeg's libraries."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cloud.videos.sampling import Sampling


class Still(Protocol):
    """One frame of a film, chosen; `cloud.videos.film.Still`."""

    @property
    def number(self) -> int:
        """From 1, in the order of the film."""
        ...

    @property
    def offset_s(self) -> float:
        """From the film's begin."""
        ...

    @property
    def frame(self) -> Any:
        """(h, w, 3) uint8, R, G, B, upright."""
        ...


class Film(Protocol):
    """An open film; `cloud.videos.film.Film`."""

    @property
    def codec(self) -> str:
        """What its pictures are coded in."""
        ...

    @property
    def width(self) -> int:
        """In pixels, upright."""
        ...

    @property
    def height(self) -> int:
        """In pixels, upright."""
        ...

    @property
    def duration_s(self) -> float | None:
        """None: it does not say."""
        ...

    @property
    def rate(self) -> float | None:
        """Frames a second; None: it does not say."""
        ...

    @property
    def created_at(self) -> datetime | None:
        """When it was taken, by the clock of whatever took it."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read; complete after the last still."""
        ...

    def stills(
        self, sampling: Sampling, *, after_s: float | None = None, first_number: int = 1
    ) -> Iterator[Still]:
        """Choose stills; those behind *after_s* only, numbered from *first_number*.

        Raises:
            VideoError: It breaks off.
        """
        ...


OpenFilm = Callable[[Path], AbstractContextManager[Film]]  # raises VideoError
Encode = Callable[[Any], bytes]  # (h, w, 3) uint8, R, G, B, to a JPEG; threads may call it at once
