"""What the topic rule hands over, read: whose it is, and what it refers to."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline.errors import MessageError
from sightline.keys import MAX_KEY_BYTES
from sightline.messages import FrameCaptured, FrameRejected, decode
from sightline.topics import parse

_EXCERPT_BYTES = 256
_MAX_DETAIL = 1000
_MAX_FRAME_ID = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A device, or somebody at the test client, may have put a picture into the payload.
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/=_-]{80,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message, with what the broker says about it."""

    device: str  # from the topic, where a policy holds it to the sender's certificate
    payload: bytes = field(repr=False)
    client: str  # for the log only: an operator's is not the device's
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A frame's reference, with what the broker, not the device, says about it."""

    device: str
    captured: FrameCaptured
    received_at: datetime

    @property
    def captured_at(self) -> datetime:
        """When the frame was taken; when the reference came, if it does not say."""
        return self.captured.captured_at or self.received_at


def read_event(event: Mapping[str, Any]) -> Delivery:
    """Read what the rule in `infra/template.yaml` selects.

    Raises:
        MessageError: It is not that, so nobody can be answered.
    """
    if not isinstance(event, Mapping):
        raise MessageError(f"the event is a {type(event).__name__}, not the topic rule's object")
    device, channel = parse(_text(event, "topic"))
    if channel != "frames":
        raise MessageError(f"topic: {event['topic']!r} is no device's frames")
    try:
        payload = b64decode(_text(event, "payload"), validate=True)
    except ValueError as err:
        raise MessageError(f"payload: not base64: {err}") from err
    received_ms = event.get("received_ms")
    if isinstance(received_ms, bool) or not isinstance(received_ms, int):
        raise MessageError("received_ms: expected whole milliseconds since 1970")
    try:
        received_at = _EPOCH + timedelta(milliseconds=received_ms)
    except OverflowError as err:
        raise MessageError(f"received_ms: {received_ms} is no time") from err
    client = event.get("client")
    return Delivery(
        device=device,
        payload=payload,
        client=client if isinstance(client, str) else "unknown",
        received_at=received_at,
    )


def refer(delivery: Delivery) -> Reference:
    """Read the reference out of the payload.

    Raises:
        MessageError: It breaks the contract; see `rejection`.
    """
    captured = decode(FrameCaptured, delivery.payload)
    return Reference(device=delivery.device, captured=captured, received_at=delivery.received_at)


def rejection(delivery: Delivery, err: MessageError) -> FrameRejected:
    """Say to the device what is wrong with its payload, naming the frame if it can be told."""
    frame_id = _said(delivery.payload, "frame_id")
    return FrameRejected(
        frame_id=frame_id if frame_id and len(frame_id) <= _MAX_FRAME_ID else None,
        device=delivery.device,
        reason=err.reason,
        detail=str(err)[:_MAX_DETAIL],
        key=echo_key(_said(delivery.payload, "key")),
    )


def echo_key(key: str | None) -> str | None:
    """Return *key* if S3 could have one so long; else an answer could be too large to be sent."""
    return key if key is not None and len(key) <= MAX_KEY_BYTES else None


def excerpt(payload: bytes) -> str:
    """Show a payload's first bytes for the log; never a picture's, whether plain or in base64."""
    head = payload[:_EXCERPT_BYTES]
    readable = head.decode(errors="replace")
    # A character cut in two at the end is no sign of a binary; more than that is.
    if "\x00" in readable or readable.count("\N{REPLACEMENT CHARACTER}") > 4:
        return f"<{len(payload)} bytes, binary>"
    shown = _BASE64_RUN.sub(lambda run: f"<{len(run[0])} characters>", ascii(readable))
    return f"{shown} of {len(payload)} bytes"


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise MessageError(f"{name}: expected a text, as the topic rule selects it")
    return value


def _said(payload: bytes, name: str) -> str | None:
    """Read a text out of a payload that is wrong otherwise, if it can be sent back."""
    try:
        value = json.loads(payload)
        text = value.get(name) if isinstance(value, dict) else None
        if not isinstance(text, str):
            return None
        text.encode()
    except (ValueError, RecursionError):  # not JSON, too deep, or half a character
        return None
    return text
