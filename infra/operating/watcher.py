"""Somebody at the MQTT test client, as a program: publishes, and waits for what comes back."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from infra.operating.operator_client import OperatorClient, Received
from sightline.errors import TransportError
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected, decode, encode
from sightline.topics import every, parse, topic

DEADLINE_S = 60.0

Answer = FrameRecognized | FrameRejected


class Watcher:
    """Sees results and errors of all devices while in `watching`. Threads: any."""

    def __init__(self, client: OperatorClient) -> None:
        """Use *client*, which is connected."""
        self.client = client
        self._seen: list[Received] = []
        self._failure: TransportError | None = None
        self._changed = threading.Condition()
        self._end = threading.Event()
        self._reader = threading.Thread(target=self._read, name="watcher", daemon=True)

    @contextmanager
    def watching(self, *filters: str) -> Iterator[Self]:
        """See what matches *filters*, or else all answers, from now on."""
        self.client.subscribe(filters or [every("results"), every("errors")])
        self._reader.start()
        try:
            yield self
        finally:
            self._end.set()
            self._reader.join()

    def watch(self, *filters: str) -> None:
        """See more than answers."""
        self.client.subscribe(filters)

    def seen(self, matches: Callable[[Received], bool] = lambda _: True) -> list[Received]:
        """All that came so far and *matches*."""
        with self._changed:
            return [received for received in self._seen if matches(received)]

    def wait_for(
        self,
        matches: Callable[[Received], bool],
        *,
        count: int = 1,
        deadline_s: float = DEADLINE_S,
    ) -> list[Received]:
        """Wait until *count* messages match (those that came before count too); give them.

        Raises:
            TransportError: They did not come in time; it tells what did.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure or sum(map(matches, self._seen)) >= count, deadline_s
            )
            found = [received for received in self._seen if matches(received)]
            if len(found) < count:
                raise TransportError(
                    f"{len(found)} of {count} messages came within {deadline_s:g} s "
                    f"({self._failure or 'the connection stands'}); there were "
                    f"{[(each.topic, each.payload[:200]) for each in self._seen[-10:]]}"
                )
            return found

    def publish(self, where: str, payload: bytes | str | FrameCaptured) -> None:
        """Publish, and wait for the PUBACK."""
        if isinstance(payload, FrameCaptured):
            payload = encode(payload)
        self.client.publish(where, payload.encode() if isinstance(payload, str) else payload)

    def send(self, device: str, payload: bytes | str | FrameCaptured) -> None:
        """Publish on a device's frames, as the device or anybody at the test client would."""
        self.publish(topic(device, "frames"), payload)

    def answers(
        self, frame_id: str, *, count: int = 1, deadline_s: float = DEADLINE_S
    ) -> list[Answer]:
        """Wait for *count* answers to a frame; give all that came, in order."""
        found = self.wait_for(_answers(frame_id), count=count, deadline_s=deadline_s)
        return [_read_answer(each) for each in found]

    def answer(self, frame_id: str, *, deadline_s: float = DEADLINE_S) -> Answer:
        """Wait for the answer to a frame; give the first."""
        return self.answers(frame_id, deadline_s=deadline_s)[0]

    def rejection_of(self, device: str, *, deadline_s: float = DEADLINE_S) -> FrameRejected:
        """Wait for anything on a device's errors: a payload that is no JSON names no frame."""
        where = topic(device, "errors")
        [first, *_] = self.wait_for(lambda each: each.topic == where, deadline_s=deadline_s)
        return decode(FrameRejected, first.payload)

    def _read(self) -> None:
        while not self._end.is_set():
            try:
                for received in self.client.messages(seconds=0.2):
                    with self._changed:
                        self._seen.append(received)
                        self._changed.notify_all()
            except TransportError as err:
                with self._changed:
                    self._failure = err
                    self._changed.notify_all()
                return


def _answers(frame_id: str) -> Callable[[Received], bool]:
    def matches(received: Received) -> bool:
        if parse(received.topic)[1] not in ("results", "errors"):
            return False
        return bool(json.loads(received.payload)["frame_id"] == frame_id)

    return matches


def _read_answer(received: Received) -> Answer:
    if parse(received.topic)[1] == "results":
        return decode(FrameRecognized, received.payload)
    return decode(FrameRejected, received.payload)
