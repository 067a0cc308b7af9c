"""From the spool to the bucket and the broker: upload, publish the reference, wait for the result.

Doing any of it twice does no harm: the bucket keeps the first upload of a key, and the cloud
answers a frame's second reference with its first result.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping

from device.journal import Journal
from device.network.backoff import Backoff
from device.network.frame_store import FrameStore
from device.network.link import Link
from device.pending import Pending
from device.spooling.backlog import Backlog
from device.spooling.drops import Drops
from device.spooling.spool import Spool, SpooledFrame
from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError, TransportError
from sightline.messages import FrameCaptured, Gate, encode

log = logging.getLogger(__name__)

# A right that was granted a moment ago reaches all of AWS's machines within seconds.
REFUSALS = 4


class Uplink:
    """Sends what is in a spool. `run` may be run by several threads at once."""

    def __init__(
        self,
        topic: str,
        spool: Spool,
        store: FrameStore,
        link: Link,
        pending: Pending,
        journal: Journal,
        *,
        backlog: Backlog | None = None,
        drops: Drops | None = None,
        backoff: Backoff | None = None,
        time_of_day: TimeOfDay | None = None,
        unattended: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to send references on *topic*.

        Args:
            unattended: What a store refuses is tried again for as long as it takes, rather than
                ends the agent: it may be mended in the cloud, and there is nobody here to see it.
        """
        self._topic = topic
        self._spool = spool
        self._store = store
        self._link = link
        self._pending = pending
        self._journal = journal
        self._backlog = backlog or Backlog(pending, share=1, uploads=1, places=1, clock=clock)
        self._drops = drops or Drops(pending, journal, clock=clock)
        self._backoff = backoff or Backoff()
        self._time_of_day = time_of_day
        self._unattended = unattended
        self._clock = clock
        self._turns = threading.Lock()
        self._refusals = 0
        self._said: str | None = None
        self._unstored: str | None = None
        link.on_connected(self._backoff.wake)
        link.on_connected(pending.hurry)

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Send until *stop* is set; *alive* hears that it goes on.

        Raises:
            ConfigError: The store refuses everything, and will go on to; not if `unattended`.
        """
        while not stop.is_set():
            alive()
            self.step(wait_s=0.1)

    def trouble(self) -> str | None:
        """Say what keeps frames from being stored or answered; None: nothing. From any thread.

        What keeps references from being published is the link's to say.
        """
        return "; ".join(filter(None, (self._unstored, self._pending.trouble()))) or None

    def close(self) -> None:
        """Let nobody wait to try again any more. Set `run`'s *stop* before."""
        self._backoff.close()

    def drain(self) -> None:
        """Hold frames of long ago back no longer: no new ones will come."""
        self._backlog.lift()
        self._pending.hurry(last=True)

    def step(self, *, wait_s: float = 0.0) -> None:
        """Send one frame, if there is one within *wait_s* and it may be in flight."""
        self._drops.note(self._spool.sweep())
        if overdue := self._pending.overdue(self._clock()):
            self._journal.count("overdue", overdue)
        if not self._pending.place(wait_s):
            return
        with self._turns:  # else two might take what only one of them may
            frame = self._spool.take(wait_s, self._backlog.since_s())
            sending = contextlib.ExitStack()
            if frame is not None:
                sending.enter_context(self._backlog.sending(frame))
        if frame is None:
            self._pending.leave()
            return
        try:
            with sending:
                self._send(frame)
        except TransportError as err:
            self._postpone(frame, err)
        except ConfigError as err:
            self._refusals += 1
            self._postpone(frame, err)
            if self._refusals >= REFUSALS and not self._unattended:
                raise
        else:
            self._refusals = 0
            self._said = None
            self._backoff.succeeded()

    def _send(self, frame: SpooledFrame) -> None:
        begun_s = self._clock()
        stages_ms = {"encode": frame.encode_ms}
        if not frame.resumed:
            stages_ms["spool"] = (begun_s - frame.captured_s) * 1000 - frame.encode_ms
        if frame.state == "captured":
            self._upload(frame)
        published_s = self._clock()
        stages_ms["upload"] = (published_s - begun_s) * 1000
        self._pending.expect(frame, stages_ms, published_s)  # before: the result can overtake
        self._link.publish(self._topic, encode(reference(frame, self._time_of_day)))
        self._spool.mark(frame.frame_id, "published")
        self._pending.acknowledged(frame.frame_id, (self._clock() - published_s) * 1000)
        self._journal.count("published")

    def _upload(self, frame: SpooledFrame) -> None:
        try:
            self._store.put(frame.key, frame.jpeg, frame.sha256)
        except BaseException as err:
            self._pending.leave()  # it is not waited for yet, so `forget` has no place to give back
            self._unstored = f"frames are not stored: {err}"
            raise
        self._unstored = None
        self._spool.mark(frame.frame_id, "uploaded")
        self._journal.count("uploaded")

    def _postpone(self, frame: SpooledFrame, err: Exception) -> None:
        self._pending.forget(frame.frame_id)
        self._spool.release(frame.frame_id)
        wait_s = self._backoff.failed()
        # Not at each of many attempts: what is lost, if anything, is said when it is dropped.
        level = logging.DEBUG if str(err) == self._said else logging.WARNING
        self._said = str(err)
        log.log(level, "%s; trying again in %.1f s", err, wait_s)
        self._backoff.wait(wait_s)


def reference(frame: SpooledFrame, time_of_day: TimeOfDay | None = None) -> FrameCaptured:
    """Write the reference to a frame that lies in the bucket.

    Args:
        time_of_day: Corrects when it was taken; None: nobody does.
    """
    captured_at, clock = frame.captured_at, None
    if time_of_day is not None:
        captured_at, clock = time_of_day.captured_at(frame)
    return FrameCaptured(
        key=frame.key,
        frame_id=frame.frame_id,
        captured_at=captured_at,
        clock=clock,
        width=frame.width or None,  # unknown of a frame whose row was lost after its upload
        height=frame.height or None,
        bytes=frame.size,
        sha256=frame.sha256 or None,
        gate=_gate(frame.gate),
        segment=frame.segment,
    )


def _gate(said: Mapping[str, float] | None) -> Gate | None:
    if said is None:
        return None
    faces = said.get("faces")
    return Gate(motion=said.get("motion"), faces=None if faces is None else int(faces))
