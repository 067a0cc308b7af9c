"""The ledger of videos in DynamoDB.

| row    | video | row                      | and                                           |
|--------|-------|--------------------------|-----------------------------------------------|
| video  | name  | `video`                  | job, revision, state, value (the `Video`)     |
| marker | name  | `chunk#<job>#<00001>`    | value (the `Marker`)                          |

`value` is JSON. While there is something to do about a video, its row also has `open`, and so is in
the index of that name, sorted by `changed_at`; and `served`, when some of its stills were answered.
When it is done, it is in that index under another value, so that the last that was done is found.
All rows have `expires_at`, in seconds since 1970.
A row has one KB or two, a marker a tenth of that, whatever the length of the film.
"""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from cloud.dynamo import Item, cancelled_by, conflicts, number, pages, read_text, text
from cloud.videos.ledger import ConflictError, MarkedError, Marker
from cloud.videos.naming import DIGITS
from cloud.videos.video import Video
from sightline.wire import dump, load

INDEX = "open"

_VIDEO = "video"
_OPEN = "open"
_DONE = "done"  # in its place
_FAILED = "ConditionalCheckFailed"

T = TypeVar("T")


class LedgerTable:
    """See `cloud.videos.ledger.Ledger`."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self.name = table

    def find(self, name: str) -> Video | None:
        """See `Ledger.find`."""
        with calling(f"get a video from {self.name}"):
            answer = self._client.get_item(
                TableName=self.name,
                Key={"video": text(name), "row": text(_VIDEO)},
                ConsistentRead=True,
            )
        item: Item | None = answer.get("Item")
        return None if item is None else _read(Video, item)

    def write(self, video: Video, *, expected: int | None, marker: Marker | None = None) -> None:
        """See `Ledger.write`."""
        row = {"TableName": self.name, "Item": _video_row(video), **_if_revision(expected)}
        with calling(f"write a video to {self.name}"):
            try:
                if marker is None:
                    self._client.put_item(**row)
                else:
                    put = {"TableName": self.name, "Item": _marker_row(video, marker)}
                    put["ConditionExpression"] = "attribute_not_exists(#row)"
                    put["ExpressionAttributeNames"] = {"#row": "row"}
                    self._client.transact_write_items(TransactItems=[{"Put": row}, {"Put": put}])
            except ClientError as err:
                _raise_if_refused(err)
                raise

    def markers(self, video: Video) -> Iterator[Marker]:
        """See `Ledger.markers`."""
        rows = pages(
            self._client,
            "query",
            TableName=self.name,
            KeyConditionExpression="video = :video AND begins_with(#row, :chunks)",
            ExpressionAttributeNames={"#row": "row"},
            ExpressionAttributeValues={":video": text(video.name), ":chunks": text(_chunks(video))},
        )
        return (_read(Marker, row) for row in rows)

    def unchanged_since(self, at: datetime) -> Iterator[str]:
        """See `Ledger.unchanged_since`; the index lags behind by a moment."""
        return (read_text(row, "video") for row in self._indexed(_OPEN, "<=", at))

    def last_served(self, since: datetime) -> Video | None:
        """See `Ledger.last_served`; the index lags behind by a moment."""
        newest: dict[str, Any] = {"ScanIndexForward": False}
        done = self._indexed(_DONE, ">=", since, Limit=1, **newest)
        served = {"FilterExpression": "attribute_exists(served)"}
        rows = itertools.chain(done, self._indexed(_OPEN, ">=", since, **served, **newest))
        row = next(rows, None)
        return None if row is None else _read(Video, row)

    def _indexed(self, state: str, than: str, at: datetime, **more: Any) -> Iterator[Item]:
        """Go through rows of the index; unlike a table's, they cannot be read consistently."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": INDEX,
            "KeyConditionExpression": f"#open = :open AND changed_at {than} :at",
            "ExpressionAttributeNames": {"#open": "open"},
            "ExpressionAttributeValues": {":open": text(state), ":at": text(_sortable(at))},
            **more,
        }
        while True:
            with calling(f"query the index of {self.name}"):
                page = self._client.query(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _raise_if_refused(err: ClientError) -> None:
    """Tell a condition that does not hold from what is wrong."""
    if code(err) == "ConditionalCheckFailedException":
        raise ConflictError from err
    reasons = [reason.get("Code") for reason in err.response.get("CancellationReasons", [])]
    if cancelled_by(err, _FAILED) and reasons[-1] == _FAILED and len(reasons) > 1:
        raise MarkedError from err
    if cancelled_by(err, _FAILED) or conflicts(err):
        raise ConflictError from err


def _if_revision(expected: int | None) -> dict[str, Any]:
    if expected is None:
        return {
            "ConditionExpression": "attribute_not_exists(#row)",
            "ExpressionAttributeNames": {"#row": "row"},
        }
    return {
        "ConditionExpression": "revision = :expected",
        "ExpressionAttributeValues": {":expected": number(expected)},
    }


def _video_row(video: Video) -> Item:
    row = {
        "video": text(video.name),
        "row": text(_VIDEO),
        "job": text(video.job),
        "revision": number(video.revision),
        "state": text(video.state),
        "changed_at": text(_sortable(video.changed_at)),
        "value": text(_write(video)),
        "expires_at": number(int(video.expires_at.timestamp())),
    }
    if not video.is_open:
        return {**row, "open": text(_DONE)} if video.outcome == "done" else row
    served = {"served": number(video.chunks_done)} if video.chunks_done else {}
    return {**row, **served, "open": text(_OPEN)}


def _marker_row(video: Video, marker: Marker) -> Item:
    return {
        "video": text(video.name),
        "row": text(f"{_chunks(video)}{marker.chunk:0{DIGITS}}"),
        "value": text(_write(marker)),
        "expires_at": number(int(video.expires_at.timestamp())),
    }


def _chunks(video: Video) -> str:
    return f"chunk#{video.job}#"


def _write(value: object) -> str:
    return json.dumps(dump(value), ensure_ascii=False, separators=(",", ":"))


def _read(kind: type[T], row: Item) -> T:
    return load(kind, json.loads(read_text(row, "value")))


def _sortable(at: datetime) -> str:
    """Write a time such that texts sort as times do: each with all of its digits."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
