"""The newest answers that were given, read out of the table of sightings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from infra.target import Target
from sightline.messages import FrameRecognized, decode

RESULTS_SHOWN = 5
_BEFORE_GUARDS = "frame#"  # in a table of sightings, after every time
_SEEN_ROWS = 40  # read at a time: a frame has a row, and one for each person in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An answer that was given."""

    device: str
    captured_at: datetime
    names: tuple[str, ...]
    decisions: Mapping[str, int]
    late_ms: int  # from capture to answer


def last_results(target: Target, devices: list[str]) -> list[Result]:
    """Give the newest answers of all *devices*, newest first; errors are boto3's."""
    found = [result for device in devices for result in _results_of(target, device)]
    found.sort(key=lambda result: result.captured_at, reverse=True)
    return found[:RESULTS_SHOWN]


def _results_of(target: Target, device: str) -> Iterator[Result]:
    """A device's newest answers, newest first."""
    pages = target.client("dynamodb").get_paginator("query")
    shown = 0
    for page in pages.paginate(
        TableName=target.output("SightingsTable"),
        KeyConditionExpression="device = :device AND seen < :guards",
        ExpressionAttributeValues={":device": {"S": device}, ":guards": {"S": _BEFORE_GUARDS}},
        ScanIndexForward=False,
        Limit=_SEEN_ROWS,
    ):
        for row in page["Items"]:
            if "result" not in row:
                continue
            yield _result(decode(FrameRecognized, row["result"]["S"].encode()))
            shown += 1
            if shown == RESULTS_SHOWN:
                return


def _result(answer: FrameRecognized) -> Result:
    decisions: dict[str, int] = {}
    for face in answer.faces:
        decisions[face.decision] = decisions.get(face.decision, 0) + 1
    return Result(
        device=answer.device,
        captured_at=answer.captured_at,
        names=tuple(face.person.name for face in answer.faces if face.person),
        decisions=decisions,
        late_ms=round((answer.recognized_at - answer.captured_at).total_seconds() * 1000),
    )
