"""Frames in, those worth sending out: the gate, bursts, and what passes it regardless."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeAlias

from device.cameras.camera import Captured
from device.gate.burst import Burst
from device.gate.gate import Gate, Verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """A frame to send, and what the gate said of it."""

    captured: Captured
    verdict: Verdict


_Bursts: TypeAlias = Burst[Chosen]


class Gatekeeper:
    """Holds back what need not be sent. Not safe from several threads.

    At most one frame each `interval_s`: the best of a burst, or, where there was none for
    `keepalive_s` and that is not 0, one whatever is in it. Beside these, each that was asked for,
    at once.
    """

    def __init__(
        self, gate: Gate, *, interval_s: float, burst_s: float, keepalive_s: float = 0.0
    ) -> None:
        self._gate = gate
        self._burst = _Bursts(interval_s=interval_s, burst_s=burst_s)
        self._keepalive_s = max(keepalive_s, interval_s) if keepalive_s else math.inf
        self._sent_s: float | None = None
        self.last: Verdict | None = None

    def offer(self, captured: Captured) -> tuple[Chosen, ...]:
        """Give what is to be sent now: nothing, *captured*, or one from a moment before."""
        at_s = captured.captured_s
        if self._sent_s is None:  # a keepalive counts from the first frame on
            self._sent_s = at_s
        wanted = self._burst.wants(at_s)
        verdict = self.last = self._gate.see(captured.image, at_s, wanted=wanted)
        if captured.asked:
            verdict = self.last = dataclasses.replace(verdict, passed=True, reason="asked")
            return self._sent(at_s, Chosen(captured=captured, verdict=verdict))
        if verdict.passed:
            chosen = Chosen(captured=captured, verdict=verdict)
            self._burst.offer(chosen, verdict.score, at_s)
        best = self._burst.due(at_s, next_s=self._gate.again_s)
        if best is not None:
            return self._sent(at_s, best)
        if at_s >= self._sent_s + self._keepalive_s and not self._burst.is_open:
            self._burst.given(at_s)
            verdict = self.last = dataclasses.replace(verdict, passed=True, reason="keepalive")
            return self._sent(at_s, Chosen(captured=captured, verdict=verdict))
        return ()

    def end(self) -> tuple[Chosen, ...]:
        """Give what was waited with, as no more frames come."""
        best = self._burst.end()
        return () if best is None else (best,)

    def _sent(self, at_s: float, chosen: Chosen) -> tuple[Chosen, ...]:
        self._sent_s = at_s
        return (chosen,)
