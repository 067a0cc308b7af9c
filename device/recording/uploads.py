"""Finished segments from the ring to the bucket, the oldest first."""

import errno
import logging
import threading
from collections.abc import Callable

from device.network.backoff import Backoff
from device.recording.ring import Ring
from device.recording.segment_store import SegmentStore
from device.spooling.folder import captured_at_of
from sightline.errors import ConfigError, TransportError
from sightline.keys import segment_key

log = logging.getLogger(__name__)


class SegmentUploads:
    """Sends what is in a ring; from there it is removed once the bucket has it.

    What does not go stays, and is tried again; the ring removes the oldest when it is full. To
    send a segment twice does no harm: the bucket keeps the first.
    """

    def __init__(
        self,
        thing: str,
        ring: Ring,
        store: SegmentStore,
        *,
        backoff: Backoff | None = None,
        on_uploaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._thing = thing
        self._ring = ring
        self._store = store
        self._backoff = backoff or Backoff(most_s=60.0)
        self._on_uploaded = on_uploaded
        self._trouble: str | None = None
        self._wanted = threading.Event()
        self._wanted.set()

    @property
    def trouble(self) -> str | None:
        """What keeps segments from being stored that the operator must mend; None: nothing."""
        return self._trouble

    @property
    def wanted(self) -> bool:
        """Whether segments are to be sent; see `switch`."""
        return self._wanted.is_set()

    def switch(self, on: bool) -> None:
        """Send segments from now on, or leave them in the ring. From any thread."""
        if on:
            self._wanted.set()
        else:
            self._wanted.clear()
            self._trouble = None

    def run(self, stop: threading.Event) -> None:
        """Send until *stop* is set, and `close` called."""
        while not stop.is_set():
            if self._wanted.wait(0.2):
                self.step(wait_s=0.2)

    def close(self) -> None:
        """Let nobody wait to try again any more. Set `run`'s *stop* before."""
        self._backoff.close()

    def step(self, *, wait_s: float = 0.0) -> bool:
        """Send one segment, if there is one within *wait_s*; False: there is none, or it failed."""
        segment_id = self._ring.take(wait_s)
        if segment_id is None:
            return False
        begun_at = captured_at_of(segment_id)
        assert begun_at is not None, "the ring takes up no other files"  # noqa: S101
        try:
            self._store.put(
                segment_key(self._thing, segment_id, begun_at), self._ring.path(segment_id)
            )
        except FileNotFoundError:
            log.warning("segment %s was removed before it was uploaded", segment_id)
            self._ring.remove(segment_id)
            return False
        except (TransportError, ConfigError) as err:
            self._ring.release(segment_id)
            self._postpone(err)
            return False
        except OSError as err:  # which TransportError is one of
            self._pass_over(segment_id, err)
            return False
        self._ring.remove(segment_id)
        self._trouble = None
        self._backoff.succeeded()
        self._on_uploaded()
        return True

    def _pass_over(self, segment_id: str, err: OSError) -> None:
        """See to a segment that cannot be read; it is not to keep the others from being sent."""
        why = err.strerror or str(err)
        if err.errno == errno.EIO:  # a worn card: no other try reads it either
            log.warning("segment %s cannot be read (%s): it is lost", segment_id, why)
            self._ring.remove(segment_id)
        else:
            self._ring.release(segment_id)
            self._postpone(TransportError(f"segment {segment_id}: {why}"))

    def _postpone(self, err: TransportError | ConfigError) -> None:
        wait_s = self._backoff.failed()
        said = f"video is not uploaded: {err}"
        level = logging.DEBUG if said == self._trouble else logging.WARNING
        self._trouble = said
        log.log(level, "%s; it stays here, trying again in %.1f s", said, wait_s)
        self._backoff.wait(wait_s)
