"""Sightings in DynamoDB: one row a frame, and one more for each person known in it.

| row    | device | seen                                   | and                             |
|--------|--------|----------------------------------------|---------------------------------|
| frame  | yes    | `<captured_at>#<frame_id>`             | frame_id, result (JSON as sent) |
| person | yes    | `<captured_at>#<frame_id>#<person_id>` | person_id                       |

The index by_person holds the person's rows alone, the index by_frame the frame's alone.
All have `expires_at`, in seconds since 1970, after which DynamoDB deletes them.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from cloud.dynamo import MAX_TRANSACTION_ITEMS, Item, cancelled_by, insist, number, read_text, text
from cloud.sightings import Sighting, seen_key
from sightline.errors import TransportError
from sightline.messages import FrameRecognized, decode, encode

_BY_FRAME = "by_frame"


class SightingsTable:
    """See `cloud.sightings.Sightings`."""

    def __init__(
        self, client: Client, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self.name = table
        self._sleep = sleep

    def find(
        self, device: str, frame_id: str, captured_at: datetime | None
    ) -> FrameRecognized | None:
        """See `Sightings.find`."""
        if captured_at is not None:
            return self._get(device, seen_key(captured_at, frame_id))
        with calling(f"look up a frame in {self.name}"):
            answer = self._client.query(
                TableName=self.name,
                IndexName=_BY_FRAME,
                KeyConditionExpression="frame_id = :frame AND device = :device",
                ExpressionAttributeValues={":frame": text(frame_id), ":device": text(device)},
                Limit=1,
            )
        for item in answer["Items"]:
            return self._get(device, read_text(item, "seen"))
        return None

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        """See `Sightings.keep`."""
        rows = [{"Put": {"TableName": self.name, "Item": row}} for row in _person_rows(sighting)]
        frame: dict[str, Any] = {
            "TableName": self.name,
            "Item": _frame_row(sighting),
            "ConditionExpression": "attribute_not_exists(seen)",
        }
        # More known people than fit in a transaction: their rows go first, for once the frame's
        # own is there, nobody comes back to them.
        while len(rows) >= MAX_TRANSACTION_ITEMS:
            self._write_people(rows[:MAX_TRANSACTION_ITEMS])
            rows = rows[MAX_TRANSACTION_ITEMS:]
        if self._put(frame, rows):
            return None
        result = sighting.result
        before = self._get(result.device, sighting.seen)
        if before is None:  # deleted between the two
            raise TransportError(f"the sighting {sighting.seen} came and went; try again")
        return before

    def _write_people(self, rows: list[dict[str, Any]]) -> None:
        def write() -> None:
            self._client.transact_write_items(TransactItems=rows)

        insist(f"keep a sighting in {self.name}", write, self._sleep)

    def _put(self, frame: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
        """Keep them, unless the frame is there already; tell which."""
        is_there = False

        def write() -> None:
            nonlocal is_there
            try:
                if rows:
                    self._client.transact_write_items(TransactItems=[{"Put": frame}, *rows])
                else:  # half the price of a transaction, and most frames know nobody
                    self._client.put_item(**frame)
            except ClientError as err:
                is_there = code(err) == "ConditionalCheckFailedException" or cancelled_by(
                    err, "ConditionalCheckFailed"
                )
                if not is_there:
                    raise

        insist(f"keep a sighting in {self.name}", write, self._sleep)
        return not is_there

    def _get(self, device: str, seen: str) -> FrameRecognized | None:
        with calling(f"get a sighting from {self.name}"):
            answer = self._client.get_item(
                TableName=self.name,
                Key={"device": text(device), "seen": text(seen)},
                ConsistentRead=True,
            )
        if "Item" not in answer:
            return None
        return decode(FrameRecognized, read_text(answer["Item"], "result").encode())


def _frame_row(sighting: Sighting) -> Item:
    result = sighting.result
    return {
        "device": text(result.device),
        "seen": text(sighting.seen),
        "frame_id": text(result.frame_id),
        "result": text(encode(result).decode()),
        "expires_at": _expires(sighting),
    }


def _person_rows(sighting: Sighting) -> list[Item]:
    # No frame_id: the index by_frame must find the frame's own row alone.
    return [
        {
            "device": text(sighting.result.device),
            "seen": text(f"{sighting.seen}#{person.id}"),
            "person_id": text(person.id),
            "expires_at": _expires(sighting),
        }
        for person in sighting.people()
    ]


def _expires(sighting: Sighting) -> dict[str, str]:
    return number(int(sighting.expires_at.timestamp()))
