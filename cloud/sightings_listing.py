"""Lists of sightings out of DynamoDB: page by page, by device or by person.

See `cloud.sightings_table` for the rows. A query asks for whole seconds, and what is outside the
times is left out of what it gives. The guards' keys are outside of every range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.aws import Client, calling
from cloud.dynamo import Item, read_text, text
from cloud.sightings import Listing, Page
from sightline.messages import FrameRecognized, decode

_BY_PERSON = "by_person"
_MAX_GOT = 100  # rows at once; DynamoDB's own limit

Found = tuple[str, FrameRecognized]  # cursor of what comes after it


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingsListing:
    """Reads lists from one table."""

    client: Client
    table: str

    def of_device(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        """See `SightingsReader.of_device`."""
        request = {"KeyConditionExpression": f"device = :of AND {_RANGE}", "ConsistentRead": True}
        if cursor is not None:
            (seen,) = listing.place(cursor, 1)
            request["ExclusiveStartKey"] = {"device": text(listing.of), "seen": text(seen)}
        return _page(self._device_results(listing, request, limit), limit)

    def of_person(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        """See `SightingsReader.of_person`."""
        request: dict[str, Any] = {
            "IndexName": _BY_PERSON,
            "KeyConditionExpression": f"person_id = :of AND {_RANGE}",
        }
        if cursor is not None:
            seen, device = listing.place(cursor, 2)
            request["ExclusiveStartKey"] = {
                "person_id": text(listing.of),
                "seen": text(seen),
                "device": text(device),
            }
        return _page(self._person_results(listing, request, limit), limit)

    def _device_results(
        self, listing: Listing, request: dict[str, Any], limit: int
    ) -> Iterator[Found]:
        for rows in self._pages(listing, request, limit):
            for row in rows:
                if "result" not in row:
                    continue  # says who was in the frame of another row
                result = _result(row)
                if listing.holds(result):
                    yield listing.cursor(read_text(row, "seen")), result

    def _person_results(
        self, listing: Listing, request: dict[str, Any], limit: int
    ) -> Iterator[Found]:
        for rows in self._pages(listing, request, limit):
            for begin in range(0, len(rows), _MAX_GOT):
                some = rows[begin : begin + _MAX_GOT]
                frames = self._frames([_frame_key(row, listing.of) for row in some])
                for row in some:
                    result = frames.get(_frame_key(row, listing.of))
                    if result is not None and listing.holds(result):
                        cursor = listing.cursor(read_text(row, "seen"), read_text(row, "device"))
                        yield cursor, result

    def _pages(
        self, listing: Listing, request: dict[str, Any], limit: int
    ) -> Iterator[Sequence[Item]]:
        if listing.least > listing.most:
            return  # DynamoDB refuses such a range
        request = {
            **request,
            "TableName": self.table,
            "ScanIndexForward": not listing.newest_first,
            # A frame's row comes with one for each person in it; to know whether more follow takes
            # one more.
            "Limit": 2 * limit + 1,
            "ExpressionAttributeValues": {
                ":of": text(listing.of),
                ":least": text(listing.least),
                ":most": text(listing.most),
            },
        }
        while True:
            with calling(f"list sightings in {self.table}"):
                page = self.client.query(**request)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

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


_RANGE = "seen BETWEEN :least AND :most"


def _page(results: Iterator[Found], limit: int) -> Page:
    found: list[Found] = []
    for each in results:
        if len(found) == limit:
            return Page(results=tuple(result for _, result in found), cursor=found[-1][0])
        found.append(each)
    return Page(results=tuple(result for _, result in found), cursor=None)


def _frame_key(row: Item, person_id: str) -> tuple[str, str]:
    return read_text(row, "device"), read_text(row, "seen").removesuffix(f"#{person_id}")


def _result(row: Item) -> FrameRecognized:
    return decode(FrameRecognized, read_text(row, "result").encode())
