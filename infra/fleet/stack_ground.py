"""What a fleet stands on by default: a local stack, with the real function behind the real rule."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from infra.account import translated
from infra.fleet.line import Address
from infra.fleet.small_cloud import Answer
from infra.operating.operator_client import OperatorClient, Received
from infra.provision import deprovision, provision
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.errors import TransportError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected, decode, encode
from sightline.topics import every, parse, topic

_ANSWERED_WITHIN_S = 120.0


class StackGround:
    """See `infra.fleet.fleet.Ground`. Open from `__enter__` to `__exit__`."""

    def __init__(
        self, target: Target, folder: Path, heard: Callable[[Answer], None] = lambda _: None
    ) -> None:
        """Use *target*, which runs and stays; *heard* is told of each answer, past the faults."""
        self._target = target
        self._folder = folder
        self._heard = heard
        self._end = threading.Event()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        broker = broker_of(self._target, self._folder / "operator", lambda _: None)
        self._operator = self._open.enter_context(OperatorClient(broker))
        self._operator.subscribe([every("results"), every("errors")])
        reader = threading.Thread(target=self._listen, name="fleet-answers", daemon=True)
        reader.start()
        self._open.callback(reader.join)
        self._open.callback(self._end.set)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def upstreams(self) -> Mapping[str, Address]:
        """See `Ground`."""
        endpoints = self._target.endpoints()
        host, _, port = endpoints.credentials.partition(":")
        gateway = urlsplit(endpoints.s3 or "")
        return {
            "mqtt": (endpoints.mqtt_host, endpoints.mqtt_port),
            "credentials": (host, int(port)),
            "s3": (gateway.hostname or "", gateway.port or 80),
        }

    def provision(self, thing: str) -> Path:
        """See `Ground`."""
        made = provision(
            thing, target=self._target, folder=self._folder / thing, say=lambda _: None
        )
        return made.settings

    def deprovision(self, thing: str) -> None:
        """See `Ground`."""
        deprovision(thing, target=self._target, folder=self._folder / thing, say=lambda _: None)
        with translated(f"clearing the status of {thing}"):  # an empty one takes its place
            self._target.client("iot-data").publish(
                topic=topic(thing, "status"), qos=1, retain=True, payload=b""
            )

    def _listen(self) -> None:
        while not self._end.is_set():
            for received in self._operator.messages(seconds=0.2):
                self._heard(_read(received))


def _read(received: Received) -> Answer:
    if parse(received.topic)[1] == "results":
        return decode(FrameRecognized, received.payload)
    return decode(FrameRejected, received.payload)


def measure_rate(target: Target, folder: Path, jpeg: bytes, *, count: int = 24) -> float:
    """Measure how many frames a second are answered when nothing else is to do.

    Raises:
        TransportError: Not all were.
    """
    thing = "fleet-pace"
    s3, bucket = target.client("s3"), target.output("MediaBucket")
    references = []
    for _ in range(count):
        now = datetime.now(UTC)
        frame_id = new_frame_id(now)
        key = frame_key(thing, frame_id, now)
        with translated(f"storing {key}"):
            s3.put_object(Bucket=bucket, Key=key, Body=jpeg)
        references.append(FrameCaptured(key=key, frame_id=frame_id, captured_at=now))
    wanted = {reference.frame_id for reference in references}
    with OperatorClient(broker_of(target, folder / "operator", lambda _: None)) as client:
        client.subscribe([topic(thing, "results")])
        begun_s = time.monotonic()
        for reference in references:
            client.publish(topic(thing, "frames"), encode(reference))
        for received in client.messages(seconds=_ANSWERED_WITHIN_S):
            wanted.discard(decode(FrameRecognized, received.payload).frame_id)
            if not wanted:
                return count / (time.monotonic() - begun_s)
    raise TransportError(f"{len(wanted)} of {count} frames were not answered; see the stack's logs")
