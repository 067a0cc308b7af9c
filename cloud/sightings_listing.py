"""Lists of sightings out of DynamoDB: page by page, by device, by person, or by both.

See `cloud.sightings_table` for the rows. A query asks for whole seconds, and what is outside the
times is left out of what it gives. The guards' keys are outside of every range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.aws import Client, calling
from cloud.dynamo import Item, read_text, text
from cloud.sightings import Listing, Page, check_limit
from sightline.messages import FrameRecognized, decode

_BY_PERSON = "by_person"
_RANGE = "seen BETWEEN :least AND :most"
_MAX_GOT = 100  # rows at once; DynamoDB's own limit

Found = tuple[str, FrameRecognized]  # cursor of what comes after it


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingsListing:
    """Reads lists from one table.

    A person's rows at one device are picked out of those at all devices, of which there may be any
    number. So that nobody waits long for a page of them, it ends after *most_queries*, each for
    *rows* (of about 130 bytes), with what was found until then.
    """

    client: Client
    table: str
    most_queries: int = 5
    rows: int = 1000

    def page(self, listing: Listing, *, limit: int, cursor: str | None) -> Page:
        """See `SightingsReader.page`."""
        check_limit(limit)
        is_picked = None not in (listing.person, listing.device)
        # A frame's row comes with one for each person in it; to know whether more follow takes
        # one more.
        rows = self.rows if is_picked else 2 * limit + 1
        after = None if cursor is None else _start(listing, *listing.place(cursor))
        found: list[Found] = []
        for number, answer in enumerate(self._queries(listing, after, rows), 1):
            for each in self._results(listing, answer["Items"]):
                if len(found) == limit:
                    return _page(found, found[-1][0])
                found.append(each)
            if is_picked and number == self.most_queries and "LastEvaluatedKey" in answer:
                return _page(found, _cursor(listing, answer["LastEvaluatedKey"]))
        return _page(found, None)

    def _queries(self, listing: Listing, after: Item | None, rows: int) -> Iterator[dict[str, Any]]:
        if listing.least > listing.most:
            return  # DynamoDB refuses such a range
        request = {"TableName": self.table, **_request(listing), "Limit": rows}
        while True:
            if after is not None:
                request["ExclusiveStartKey"] = after
            with calling(f"list sightings in {self.table}"):
                answer = self.client.query(**request)
            yield answer
            after = answer.get("LastEvaluatedKey")
            if after is None:
                return

    def _results(self, listing: Listing, rows: Sequence[Item]) -> Iterator[Found]:
        read = self._seen_by if listing.person is None else self._seen_of
        for row, result in read(listing, rows):
            if listing.holds(result):
                yield _cursor(listing, row), result

    def _seen_by(
        self, _listing: Listing, rows: Sequence[Item]
    ) -> Iterator[tuple[Item, FrameRecognized]]:
        """Read frames' rows; the others say who was in the frame of another row."""
        return ((row, _result(row)) for row in rows if "result" in row)

    def _seen_of(
        self, listing: Listing, rows: Sequence[Item]
    ) -> Iterator[tuple[Item, FrameRecognized]]:
        """Get the frames that a person's rows tell of."""
        rows = [row for row in rows if listing.holds_device(read_text(row, "device"))]
        for begin in range(0, len(rows), _MAX_GOT):
            keys = {_frame_key(row): row for row in rows[begin : begin + _MAX_GOT]}
            frames = self._frames(list(keys))
            for key, row in keys.items():
                if key in frames:
                    yield row, frames[key]

    def _frames(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FrameRecognized]:
        """Get frames' rows; one that has expired is left out."""
        wanted = [{"device": text(device), "seen": text(seen)} for device, seen in keys]
        found: dict[tuple[str, str], FrameRecognized] = {}
        while wanted:
            with calling(f"get sightings from {self.table}"):
                answer = self.client.batch_get_item(RequestItems={self.table: {"Keys": wanted}})
            for row in answer["Responses"].get(self.table, ()):
                found[read_text(row, "device"), read_text(row, "seen")] = _result(row)
            # At most 16 MB come at once.
            wanted = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
        return found


def _request(listing: Listing) -> dict[str, Any]:
    """Ask for the rows of a device, or for those of a person at all of them."""
    person = listing.person
    request: dict[str, Any] = {
        "ScanIndexForward": not listing.newest_first,
        "ExpressionAttributeValues": {
            ":of": text(person or listing.device or ""),
            ":least": text(listing.least),
            ":most": text(listing.most),
        },
    }
    if person is None:
        request |= {"KeyConditionExpression": f"device = :of AND {_RANGE}", "ConsistentRead": True}
    else:
        request |= {
            "KeyConditionExpression": f"person_id = :of AND {_RANGE}",
            "IndexName": _BY_PERSON,
        }
    return request


def _start(listing: Listing, seen: str, device: str) -> Item:
    """Write the key of the row behind which a page begins; of a person's, any device's."""
    if listing.person is None:
        return {"device": text(listing.device or ""), "seen": text(seen)}
    return {"device": text(device), "seen": text(seen), "person_id": text(listing.person)}


def _cursor(listing: Listing, row: Item) -> str:
    return listing.cursor(read_text(row, "seen"), read_text(row, "device"))


def _page(found: Sequence[Found], cursor: str | None) -> Page:
    return Page(results=tuple(result for _, result in found), cursor=cursor)


def _frame_key(row: Item) -> tuple[str, str]:
    seen = read_text(row, "seen").removesuffix(f"#{read_text(row, 'person_id')}")
    return read_text(row, "device"), seen


def _result(row: Item) -> FrameRecognized:
    return decode(FrameRecognized, read_text(row, "result").encode())
