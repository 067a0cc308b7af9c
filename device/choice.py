"""Which of the frames that are taken are kept: those that pass the gate, if there is one."""

import queue
from collections.abc import Callable, Mapping

from device.cameras.camera import Captured
from device.gate.gatekeeper import Chosen, Gatekeeper
from device.journal import Journal

Keep = Callable[[Captured, Mapping[str, float] | None], None]  # and what the gate said of it


class Choice:
    """Hands on what passes the gate. One thread's, but for `change`."""

    def __init__(self, gatekeeper: Gatekeeper | None, keep: Keep, journal: Journal) -> None:
        """Ask *gatekeeper*; with None each frame is kept."""
        self._gatekeeper = gatekeeper
        self._keep = keep
        self._journal = journal
        self._next: queue.SimpleQueue[Gatekeeper | None] = queue.SimpleQueue()
        if gatekeeper is not None:
            journal.count("gated", 0)

    def change(self, gatekeeper: Gatekeeper | None) -> None:
        """Ask another from the next frame on. From any thread."""
        self._next.put(gatekeeper)

    def offer(self, captured: Captured) -> bool:
        """Keep what passes, which may be a frame of a moment ago; tell whether any did.

        What does not pass is neither encoded nor written anywhere.
        """
        while not self._next.empty():
            self.end()
            self._gatekeeper = self._next.get()
        if self._gatekeeper is None:
            self._keep(captured, None)
            return True
        sent = self._gatekeeper.offer(captured)
        self._journal.count("gated", 1 - len(sent))
        self._send(sent)
        return bool(sent)

    def end(self) -> None:
        """Keep what was waited with, as no more frames come."""
        waited = self._gatekeeper.end() if self._gatekeeper is not None else ()
        if waited:
            self._journal.count("gated", -len(waited))
        self._send(waited)

    def _send(self, chosen: tuple[Chosen, ...]) -> None:
        for each in chosen:
            self._keep(each.captured, each.verdict.said())
