"""A thread that works on the newest of what comes, so that who gives it never waits."""

import dataclasses
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from device.cameras.camera import Captured


class Newest:
    """Hands frames to *work* in a thread of its own, from `__enter__` to `__exit__`.

    A frame that comes while another is worked on takes the place of the one that waits, if one
    does: that one is skipped. That somebody asked for a frame goes over to the one in its place.
    """

    def __init__(
        self, work: Callable[[Captured], object], on_skipped: Callable[[], None] = lambda: None
    ) -> None:
        self._work = work
        self._on_skipped = on_skipped
        self._changed = threading.Condition()
        self._waiting: Captured | None = None
        self._ended = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="recognition", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Wait until the last frame is worked on; raise what *work* raised."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if exc is None:
            self._check()

    def offer(self, captured: Captured) -> None:
        """Have *captured* worked on, or a newer one. It never waits.

        Raises:
            BaseException: What *work* raised.
        """
        self._check()
        with self._changed:
            if self._waiting is not None:
                if self._waiting.asked:
                    captured = dataclasses.replace(captured, asked=True)
                self._on_skipped()
            self._waiting = captured
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (captured := self._next()) is not None:
                self._work(captured)
        except BaseException as err:  # offer and __exit__ raise it: a thread must not die unheard
            self._failure = err

    def _next(self) -> Captured | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._ended)
            captured, self._waiting = self._waiting, None
            return captured

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
