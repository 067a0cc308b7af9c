"""JSON objects that somebody else wrote: read whole, or refused."""

import json
from typing import Any

from sightline.errors import MessageError
from sightline.messages import MAX_PAYLOAD_BYTES
from sightline.wire import MAX_DEPTH


def read_object(payload: bytes) -> dict[str, Any]:
    """Read the object that *payload* is.

    Raises:
        MessageError: It is none, or too large, or nested too deeply. Nothing else is ever raised.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(f"{len(payload)} bytes are over the limit of {MAX_PAYLOAD_BYTES}")
    try:
        value = json.loads(payload)
    except RecursionError as err:
        raise _too_deep() from err
    except ValueError as err:
        raise MessageError(f"it is not JSON: {err}", reason="not_json") from err
    if not isinstance(value, dict):
        raise MessageError("it is no object")
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether *value* is nested in more than so many levels; by no recursion."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, (dict, list)) for each in level)


def _too_deep() -> MessageError:
    return MessageError(f"it is nested deeper than {MAX_DEPTH} levels", reason="not_json")
