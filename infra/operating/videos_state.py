"""How far videos are: those that are not finished, and their chunks in the queue."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosState:
    """Videos under way.

    Attributes:
        unfinished: Videos whose results are not written yet.
        since: When the one changed last that has made no progress for longest; None: there is none.
        chunks: Chunks of pictures that wait.
        in_work: Chunks that a function has in hand.
    """

    unfinished: int
    since: datetime | None
    chunks: int
    in_work: int


def videos_state(target: Target) -> VideosState:
    """Ask the index of those that are not finished, the longest without progress first."""
    pages = target.client("dynamodb").get_paginator("query")
    rows = [
        row
        for page in pages.paginate(
            TableName=target.output("VideosTable"),
            IndexName="open",
            KeyConditionExpression="#open = :open",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":open": {"S": "open"}},
            ProjectionExpression="changed_at",
        )
        for row in page["Items"]
    ]
    waiting, in_work = counts(target.client("sqs"), target.output("VideoQueueUrl"))
    return VideosState(
        unfinished=len(rows),
        since=datetime.fromisoformat(rows[0]["changed_at"]["S"]) if rows else None,
        chunks=waiting,
        in_work=in_work,
    )


def counts(sqs: Any, url: str) -> tuple[int, int]:
    """Messages of a queue that wait, and that somebody has in hand."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])
