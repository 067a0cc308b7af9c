"""Some agents in this process, each behind a line of its own, and the books of their frames."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from infra.fleet.duty import Duty, serve
from infra.fleet.fault_proxy import FaultProxy, ProxiedLine
from infra.fleet.ledger import Ledger
from infra.fleet.small_ground import SmallGround

DEADLINE_S = 60.0


def eventually(what: str, holds: Callable[[], bool], *, deadline_s: float = DEADLINE_S) -> None:
    """Look until *holds*; fail naming *what* at the end."""
    pause, end_s = threading.Event(), time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end_s, f"within {deadline_s:g} s there was no {what}"
        pause.wait(0.02)


def duty_of(
    thing: str, ground: SmallGround, line: ProxiedLine, clip: Path, folder: Path, **wanted: float
) -> Duty:
    """Have a device take ten frames a second, and send a reference again soon."""
    return Duty(
        thing=thing,
        settings=str(ground.provision(thing)),
        clip=str(clip),
        folder=str(folder / f"{thing}-state"),
        mqtt_port=line.ports["mqtt"],
        credentials_port=line.ports["credentials"],
        s3_port=line.ports["s3"],
        **{"interval_s": 0.1, "answer_timeout_s": 2.0, "attempts": 10, **wanted},  # type: ignore[arg-type]
    )


class Crowd:
    """Agents from `join` to `end`."""

    def __init__(
        self, ground: SmallGround, proxy: FaultProxy, ledger: Ledger, clip: Path, folder: Path
    ) -> None:
        self.ground = ground
        self.ledger = ledger
        self.things: list[str] = []
        self._proxy, self._clip, self._folder = proxy, clip, folder
        self._finish, self._stop = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._begun_s = time.monotonic()

    def join(self, thing: str, **wanted: float) -> ProxiedLine:
        """Start an agent."""
        line = self._proxy.line(self.ground.upstreams)
        duty = duty_of(thing, self.ground, line, self._clip, self._folder, **wanted)
        self.things.append(thing)
        thread = threading.Thread(
            target=serve,
            args=(duty, self.ledger.note),
            kwargs={"finish": self._finish, "stop": self._stop},
            name=thing,
        )
        self._threads.append(thread)
        thread.start()
        return line

    def captured(self) -> int:
        return self.ledger.tally().captured

    def answered(self) -> int:
        return self.ledger.tally().answered

    def await_captured(self, more: int) -> None:
        """Wait until *more* frames have been captured than by now."""
        goal = self.captured() + more
        eventually(f"{more} more frames captured", lambda: self.captured() >= goal)

    def await_answered(self, more: int) -> None:
        """Wait until *more* frames have been answered than by now."""
        goal = self.answered() + more
        eventually(f"{more} more frames answered", lambda: self.answered() >= goal)

    def end(self) -> None:
        """Let the agents come to their orderly end; every frame must be accounted for."""
        self._finish.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        assert self.ledger.unexplained(tuple(self.things), self._begun_s) == []
        tally = self.ledger.tally()
        assert tally.captured == tally.answered + tally.dropped

    def close(self) -> None:
        """See to it that nothing of it is left."""
        self._finish.set()
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
