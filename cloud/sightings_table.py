"""Sightings in DynamoDB: two rows a frame, and one more for each person known in it.

| row    | device | seen                                   | and                                 |
|--------|--------|----------------------------------------|-------------------------------------|
| frame  | yes    | `<captured_at>#<frame_id>`             | frame_id, result (JSON as sent)     |
| guard  | yes    | `frame#<frame_id>`                     | sighting (`seen` of the frame's row)|
| person | yes    | `<captured_at>#<frame_id>#<person_id>` | person_id                           |

The guard makes a frame's answer the only one, whatever time a reference gives for it: it is put
where there is none, in one transaction with the frame's row. An index could not: it lags behind,
and no condition can ask it. `frame#` sorts after every date, so that ranges of time do not meet it.
It costs 4 write units a frame whose rows have up to 1 KB each (in a transaction each row's count
twice), where one row put by itself would be 1, or 2 with an index by frame.

The index by_person holds the person's rows alone. All rows have `expires_at`, in seconds since
1970, after which DynamoDB deletes them, each by itself and not at once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from cloud.aws import Client, calling
from cloud.dynamo import MAX_TRANSACTION_ITEMS, Item, cancelled_by, insist, number, read_text, text
from cloud.sightings import Listing, Page, Sighting
from cloud.sightings_listing import SightingsListing
from sightline.errors import TransportError
from sightline.messages import FrameRecognized, decode, encode

_OWN_ROWS = 2  # the frame's and its guard, in each frame's last transaction
_MOST_AT_ONCE = 20  # sightings: each may have 128 KiB, and a transaction 4 MB


class SightingsTable:
    """See `cloud.sightings.Sightings`, and `SightingsReader` there."""

    def __init__(
        self, client: Client, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self.name = table
        self._sleep = sleep
        self._listing = SightingsListing(client=client, table=table)

    def find(self, device: str, frame_id: str) -> FrameRecognized | None:
        """See `Sightings.find`."""
        seen = self._guarded(device, frame_id)
        return None if seen is None else self._result(device, seen)

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        """See `Sightings.keep`."""
        guard, *rows = self._rows(sighting)
        # More known people than fit in a transaction: their rows go first, for once the frame's
        # own is there, nobody comes back to them.
        while 1 + len(rows) > MAX_TRANSACTION_ITEMS:
            self._write_people(rows[: MAX_TRANSACTION_ITEMS - 1])
            rows = rows[MAX_TRANSACTION_ITEMS - 1 :]
        result = sighting.result
        if self._write([guard, *rows]):
            return None
        stale = self._guarded(result.device, result.frame_id)
        before = None if stale is None else self._result(result.device, stale)
        if before is not None:
            return before
        # The guard has outlived its frame's row: they expire at the same time, but are not deleted
        # at the same time, and an operator may have deleted one.
        if stale and self._write([self._put(_guard_row(sighting), _unless_other(stale)), *rows]):
            return None
        raise TransportError(f"the sighting {sighting.seen} came and went; try again")

    def keep_all(self, sightings: Sequence[Sighting]) -> Sequence[FrameRecognized | None]:
        """See `Sightings.keep_all`: one transaction, as far as they fit into one."""
        answers: list[FrameRecognized | None] = []
        for some in _fitting(sightings):
            rows = [row for sighting in some for row in self._rows(sighting)]
            if len(some) > 1 and self._write(rows):
                answers += [None] * len(some)
            else:  # some have an answer already: each by itself
                answers += [self.keep(sighting) for sighting in some]
        return answers

    def page(self, listing: Listing, *, limit: int = 100, cursor: str | None = None) -> Page:
        """See `SightingsReader.page`."""
        return self._listing.page(listing, limit=limit, cursor=cursor)

    def _rows(self, sighting: Sighting) -> list[dict[str, Any]]:
        people = [self._put(row) for row in _person_rows(sighting)]
        guard = self._put(_guard_row(sighting), _unless_there())
        return [guard, *people, self._put(_frame_row(sighting))]

    def _write_people(self, rows: list[dict[str, Any]]) -> None:
        def write() -> None:
            self._client.transact_write_items(TransactItems=rows)

        insist(f"keep a sighting in {self.name}", write, self._sleep)

    def _write(self, rows: list[dict[str, Any]]) -> bool:
        """Keep all of them, unless the frame is there already; tell whether they were kept."""
        is_there = False

        def write() -> None:
            nonlocal is_there
            try:
                self._client.transact_write_items(TransactItems=rows)
            except ClientError as err:
                is_there = cancelled_by(err, "ConditionalCheckFailed")
                if not is_there:
                    raise

        insist(f"keep a sighting in {self.name}", write, self._sleep)
        return not is_there

    def _put(self, row: Item, condition: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"Put": {"TableName": self.name, "Item": row, **(condition or {})}}

    def _guarded(self, device: str, frame_id: str) -> str | None:
        """Look up the `seen` of a frame's own row."""
        row = self._get(device, _guard_key(frame_id))
        return None if row is None else read_text(row, "sighting")

    def _result(self, device: str, seen: str) -> FrameRecognized | None:
        row = self._get(device, seen)
        return None if row is None else decode(FrameRecognized, read_text(row, "result").encode())

    def _get(self, device: str, seen: str) -> Item | None:
        with calling(f"get a sighting from {self.name}"):
            answer = self._client.get_item(
                TableName=self.name,
                Key={"device": text(device), "seen": text(seen)},
                ConsistentRead=True,
            )
        item: Item | None = answer.get("Item")
        return item


def _fitting(sightings: Sequence[Sighting]) -> Iterator[list[Sighting]]:
    """Divide *sightings* into such as fit into a transaction, each frame in it once.

    One alone may still not fit.
    """
    some: list[Sighting] = []
    size, frames = 0, set[tuple[str, str]]()
    for each in sightings:
        rows = _OWN_ROWS + sum(1 for _ in each.people())
        frame = (each.result.device, each.result.frame_id)
        is_full = size + rows > MAX_TRANSACTION_ITEMS or len(some) == _MOST_AT_ONCE
        if some and (is_full or frame in frames):
            yield some
            some, size, frames = [], 0, set()
        some.append(each)
        size += rows
        frames.add(frame)
    if some:
        yield some


def _unless_there() -> dict[str, Any]:
    return {"ConditionExpression": "attribute_not_exists(seen)"}


def _unless_other(stale: str) -> dict[str, Any]:
    """Allow to replace the guard of the row *stale*, and no other's."""
    return {
        "ConditionExpression": "attribute_not_exists(seen) OR sighting = :stale",
        "ExpressionAttributeValues": {":stale": text(stale)},
    }


def _guard_key(frame_id: str) -> str:
    return f"frame#{frame_id}"


def _frame_row(sighting: Sighting) -> Item:
    result = sighting.result
    return {
        "device": text(result.device),
        "seen": text(sighting.seen),
        "frame_id": text(result.frame_id),
        "result": text(encode(result).decode()),
        "expires_at": _expires(sighting),
    }


def _guard_row(sighting: Sighting) -> Item:
    return {
        "device": text(sighting.result.device),
        "seen": text(_guard_key(sighting.result.frame_id)),
        "sighting": text(sighting.seen),
        "expires_at": _expires(sighting),
    }


def _person_rows(sighting: Sighting) -> list[Item]:
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
