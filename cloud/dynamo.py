"""DynamoDB's typed values to Python's and back, and pages to items.

Written out, because boto3's resource layer turns numbers into `Decimal` and refuses floats.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from sightline.errors import TransportError

Item = dict[str, dict[str, Any]]  # {"name": {"S": "Ada"}}, as the low-level API has it

_PASSING = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")

MAX_TRANSACTION_ITEMS = 100  # DynamoDB's own limit

ATTEMPTS = 8  # at what another transaction is in the way of, or what DynamoDB left over
_WAIT_S = 0.05


def text(value: str) -> dict[str, str]:
    """Write a string."""
    return {"S": value}


def number(value: float) -> dict[str, str]:
    """Write a number; DynamoDB takes it as text, with up to 38 digits."""
    return {"N": repr(value)}


def binary(value: bytes) -> dict[str, bytes]:
    """Write bytes."""
    return {"B": value}


def read_text(item: Item, name: str) -> str:
    """Read a string; KeyError if it is not there."""
    return str(item[name]["S"])


def read_float(item: Item, name: str) -> float:
    """Read a number; KeyError if it is not there."""
    return float(item[name]["N"])


def read_int(item: Item, name: str) -> int:
    """Read a whole number; KeyError if it is not there."""
    return int(item[name]["N"])


def read_bytes(item: Item, name: str) -> bytes:
    """Read bytes; KeyError if they are not there."""
    return bytes(item[name]["B"])


def pages(client: Client, operation: str, **request: Any) -> Iterator[Item]:
    """Go through all items of a Query or a Scan, consistently, page by page."""
    what = f"{operation} {request['TableName']}"
    while True:
        with calling(what):
            page = getattr(client, operation)(ConsistentRead=True, **request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def cancelled_by(err: ClientError, reason: str) -> bool:
    """Tell whether a transaction was given up because of *reason*, in any of its items."""
    if code(err) != "TransactionCanceledException":
        return False
    reasons = err.response.get("CancellationReasons", [])
    return any(item.get("Code") == reason for item in reasons)


def conflicts(err: ClientError) -> bool:
    """Tell whether a write was given up for what passes: another at the same rows, or too many.

    The SDK tries what is throttled again by itself, but not where a transaction is.
    """
    return code(err) == "TransactionConflictException" or any(
        cancelled_by(err, reason) for reason in _PASSING
    )


def insist(what: str, write: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Do *write*, again while another transaction is in its way.

    The SDK does not try that again by itself, and Lambda would wait a minute before it did.

    Raises:
        TransportError: Others always were in the way; or as `cloud.aws.calling` has it.
    """
    for attempt in range(ATTEMPTS):
        with calling(what):
            try:
                write()
                return
            except ClientError as err:
                if not conflicts(err):
                    raise
        sleep(pause_s(attempt))
    raise TransportError(f"{what}: too many others do at the same time")


def pause_s(attempt: int) -> float:
    """Twice as long each time, and not in step with whoever else waits."""
    in_step: float = _WAIT_S * 2**attempt
    return in_step * random.uniform(0.5, 1)  # noqa: S311 - no secret
