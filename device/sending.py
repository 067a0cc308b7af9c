"""The agent's far side: from the spool to the cloud, and what comes back."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from device.answers.results import Outcome, Results
from device.journal import Journal
from device.network.frame_store import FrameStore
from device.network.link import Link
from device.pending import Pending
from device.pulse import Pulses
from device.settings import Settings
from device.spooling.backlog import Backlog
from device.spooling.drops import Drops
from device.spooling.spool import Spool
from device.threads import Threads
from device.time_of_day import TimeOfDay
from device.uplink import Uplink
from sightline.errors import ConfigError

UPLINK_S = 300.0  # for how long a thread may make no progress: longer than all its time-outs
_GRACE_S = 0.5


class Sending:
    """Uploads, publishes and sees to the answers, in threads of its own."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        store: FrameStore,
        link: Link,
        journal: Journal,
        *,
        observers: Sequence[Callable[[Outcome], None]],
        logged: Sequence[str] | None,
        pulses: Pulses,
        time_of_day: TimeOfDay,
        unattended: bool,
    ) -> None:
        """Prepare to send what is in *spool*; see `device.agent.Agent`."""
        self._settings, self._spool, self._link = settings, spool, link
        self._pulses = pulses
        uplink = settings.uplink
        pending = Pending(
            spool,
            places=uplink.in_flight,
            timeout_s=uplink.answer_timeout_s,
            attempts=uplink.attempts,
        )
        self.drops = Drops(pending, journal)
        self.uplink = Uplink(
            settings.iot.frames_topic(settings.thing),
            spool,
            store,
            link,
            pending,
            journal,
            backlog=Backlog(
                pending,
                share=uplink.backlog_share,
                uploads=uplink.uploads,
                places=uplink.in_flight,
            ),
            drops=self.drops,
            time_of_day=time_of_day,
            unattended=unattended,
        )
        self._results = Results(
            pending,
            journal,
            observers,
            known=spool.answered() if logged is None else logged,
            ours=spool.answered(),
            valid_for_s=settings.results.valid_for_s,
        )
        self._done = threading.Event()

    def listen(self) -> None:
        """Take results from now on."""
        self._results.listen(self._link, self._settings.thing)

    def start(self, threads: Threads) -> Iterator[threading.Thread]:
        """Work until `close`."""
        for name in (f"uplink-{i}" for i in range(self._settings.uplink.uploads)):
            yield threads.start(name, lambda name=name: self._send(name))  # type: ignore[misc]
        yield threads.start("results", lambda: self._results.run(self._done))

    def finish(self, stop: threading.Event, threads: Threads) -> None:
        """Wait until all is answered; not for long once *stop* is set or something has failed."""
        self.uplink.drain()
        uplink = self._settings.uplink
        # As long as it takes to know that nobody answers.
        patience_s = uplink.answer_timeout_s * uplink.attempts + _GRACE_S
        depth, since_s, hurried = self._spool.depth(), time.monotonic(), False
        while (left := self._spool.depth()) and not isinstance(threads.failure, ConfigError):
            if left < depth:  # while answers come, more of them are waited for
                depth = left
                since_s = since_s if hurried else time.monotonic()
            if not hurried and (stop.is_set() or threads.failed.is_set()):
                hurried, patience_s, since_s = True, uplink.stop_timeout_s, time.monotonic()
            if time.monotonic() - since_s > patience_s:
                return
            self._done.wait(0.02)

    def close(self) -> None:
        """Send no more."""
        self._done.set()
        self.uplink.close()

    def end(self) -> None:
        """Note what was dropped last, once all threads have ended."""
        self.drops.note(self._spool.sweep())
        self.drops.close()

    def _send(self, name: str) -> None:
        pulse = self._pulses.of(name, within_s=UPLINK_S)
        try:
            self.uplink.run(self._done, pulse.beat)
        finally:
            pulse.end()
