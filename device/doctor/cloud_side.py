"""What the cloud says to this device: broker, policy, role alias, bucket and function."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from device import jpeg
from device.doctor.finding import Finding, fault, ok, warning
from device.network import diagnosis
from device.network.credentials import CredentialsEndpoint
from device.network.frame_store import FrameStore
from device.network.identity import Identity
from device.network.session import Session
from device.settings import Settings
from sightline import __version__
from sightline.errors import MessageError, TransportError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import (
    DeviceStatus,
    FrameCaptured,
    FrameRecognized,
    FrameRejected,
    decode,
    encode,
)
from sightline.topics import Channel, parse, topic

ANSWER_S = 30.0  # the agent's own patience; a function that starts anew takes some of it
SLOW_MS = 2_000.0
_WIDTH, _HEIGHT = 64, 48
_WORD_S = 1.0  # how long the broker may take to say what it thinks of our certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFrame:
    """A frame of our own: grey, tiny, and of nobody."""

    frame_id: str
    key: str
    captured_at: datetime
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the JPEG, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    def reference(self) -> FrameCaptured:
        """Refer to it as an agent does."""
        return FrameCaptured(
            key=self.key,
            frame_id=self.frame_id,
            captured_at=self.captured_at,
            width=_WIDTH,
            height=_HEIGHT,
            bytes=len(self.data),
            sha256=self.sha256,
        )


def trial_frame(thing: str, at: datetime) -> TrialFrame:
    """Make a frame, as if it had been taken."""
    frame_id = new_frame_id(at)
    grey = np.full((_HEIGHT, _WIDTH, 3), 128, np.uint8)
    return TrialFrame(
        frame_id=frame_id,
        key=frame_key(thing, frame_id, at),
        captured_at=at,
        data=jpeg.encode(grey, 85),
    )


def tls(settings: Settings, identity: Identity, *, timeout_s: float = 5.0) -> Finding:
    """Have the broker prove who it is, and take our certificate."""
    iot = settings.iot
    diagnosis.probe(identity, iot.endpoint, iot.port, timeout_s=timeout_s, listen_s=_WORD_S)
    return ok(f"{iot.endpoint} is signed by an authority in {iot.ca.name}, and ours was taken")


def subscribe(session: Session, thing: str) -> Finding:
    """Subscribe to all that an agent hears."""
    channels: tuple[Channel, ...] = ("results", "errors", "commands")
    for channel in channels:
        session.subscribe(topic(thing, channel))
    return ok(f"granted: {', '.join(channels)}")


def publish(session: Session, thing: str, now: Callable[[], datetime]) -> Finding:
    """Say, retained, that the device is off line: so it is, while the doctor is at it."""
    status = DeviceStatus(
        device=thing,
        state="offline",
        at=now(),
        version=__version__,
        detail="examined by its doctor",
    )
    began = time.monotonic()
    session.publish(topic(thing, "status"), encode(status), retain=True)
    return ok(f"acknowledged in {_ms(began):g} ms: status, retained")


def judge_credentials(fetched: dict[str, str], now: Callable[[], datetime]) -> Finding:
    """Judge credentials by how long they hold; nothing else of them is shown."""
    until = datetime.fromisoformat(fetched["expiry_time"])
    minutes = (until - now()).total_seconds() / 60
    if minutes <= 1:
        return fault(
            f"the credentials given end at {until:%H:%M} UTC, and it is later here",
            "is this clock right?",
        )
    return ok(f"gave credentials for {minutes:.0f} min")


def fetch_credentials(settings: Settings, identity: Identity) -> dict[str, str]:
    """Ask the credentials provider. See `CredentialsEndpoint.fetch`."""
    storage = settings.storage
    endpoint = CredentialsEndpoint(
        storage.credentials_endpoint, storage.role_alias, settings.thing, identity
    )
    return endpoint.fetch()


def upload(store: FrameStore, frame: TrialFrame) -> Finding:
    """Put a frame under a key of our own. A device may not delete it; its days will."""
    began = time.monotonic()
    store.put(frame.key, frame.data, frame.sha256)
    took = _ms(began)
    return ok(f"put {frame.key} in {took:g} ms", timings_ms={"upload": took})


def round_trip(
    session: Session,
    settings: Settings,
    frame: TrialFrame,
    *,
    where: str,
    answer_s: float = ANSWER_S,
) -> Finding:
    """Publish a reference on *where*, wait for its result, and tell where the time went."""
    began = time.monotonic()
    session.publish(where, encode(frame.reference()))
    acknowledged = _ms(began)
    answer = _answer(session, settings.thing, frame.frame_id, began + answer_s)
    total = _ms(began)
    if answer is None:
        return fault(
            f"the reference was acknowledged, and nobody answered in {answer_s:g} s",
            "`./run doctor` on the operator's side sees the topic rule, the function and its dead "
            "letters",
        )
    if isinstance(answer, FrameRejected):
        return fault(
            f"the frame was rejected: {answer.reason}: {answer.detail}",
            "see the function's log; `./run doctor` on the operator's side names it",
        )
    stages = {"publish": acknowledged, **answer.timings_ms, "total": total}
    said = f"answered by {answer.engine} in {total:g} ms (" + ", ".join(
        f"{name} {took:g}" for name, took in stages.items() if name != "total"
    )
    if total > SLOW_MS:
        slow = warning(f"{said})", "the first frame after a pause starts the function; try again")
        return Finding(state=slow.state, said=slow.said, mend=slow.mend, timings_ms=stages)
    return ok(f"{said})", timings_ms=stages)


def _answer(
    session: Session, thing: str, frame_id: str, end_s: float
) -> FrameRecognized | FrameRejected | None:
    """Wait for the answer to our frame; results of others, kept for the agent, go by."""
    while (left_s := end_s - time.monotonic()) > 0:
        received = session.receive(min(left_s, 0.5))
        if received is None:
            if (why := session.lost(0)) is not None:
                raise TransportError(why)
            continue
        answer = read_answer(*received)
        if answer is not None and answer.device == thing and answer.frame_id == frame_id:
            return answer
    return None


def read_answer(name: str, payload: bytes) -> FrameRecognized | FrameRejected | None:
    """Read what came on the topic *name*, if it is a valid answer to a frame."""
    try:
        channel = parse(name)[1]
        if channel == "results":
            return decode(FrameRecognized, payload)
        if channel == "errors":
            return decode(FrameRejected, payload)
    except MessageError:
        return None
    return None


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
