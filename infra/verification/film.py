"""A film on a real stack: the made clip goes through the bucket, and what comes is held to it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.videos.ledger_table import LedgerTable
from cloud.videos.video import Video
from device.doctor.finding import Finding, fault, ok
from infra.verification.patience import PATIENCE_S, Say, rounds
from infra.verification.props import Props
from infra.videos.buckets import S3Bucket
from infra.videos.result import ENDINGS, VideoResult, read_result

_LOOK_S = 1.0
_NOTICED_S = 30.0  # an upload that nobody has begun with by then is given up


def answered(
    props: Props, clip: Path, name: str, say: Say, *, sleep: Callable[[float], None]
) -> Finding:
    """Upload *clip*, in which *name* is seen, and wait for its results."""
    film = _Film(props, sleep)
    props.remove_at_end(f"the film {film.key}", film.remove, look=film.remains)
    film.inputs.put(film.key, clip, metadata={})
    for after_s in rounds("waiting for the film's results", say):
        if film.outputs.find(f"{film.name}.txt"):
            return _judge(film.result(), name, after_s)
        if film.outputs.find(f"{film.name}.json") and (said := film.result().complaint):
            return fault(said, "`./run status` shows where videos stand")
        sleep(_LOOK_S)
    return fault(
        f"no results of a film of ten seconds in {PATIENCE_S:.0f} s",
        "see the logs of the functions that split and recognise videos; `./run status`",
    )


def _judge(result: VideoResult, name: str, after_s: float) -> Finding:
    frames, people = result.frames, {person.name: person.frames for person in result.people}
    if frames is None or frames.recognized != frames.sampled or result.complaint:
        return fault(f"the film is not whole: {result.complaint or frames}", "see `./run status`")
    if set(people) != {name}:
        seen = ", ".join(people) or "nobody"
        return fault(f"{seen} was seen in the film, not {name}", "see `./run people list`")
    said = f"{frames.sampled} stills, {name} in {people[name]}"
    return ok(f"{said}, results after {after_s:.0f} s")


class _Film:
    """A film of the suite's on a stack, and all that came of it there."""

    def __init__(self, props: Props, sleep: Callable[[float], None]) -> None:
        where = props.where
        s3, self._dynamo = where.client("s3"), where.client("dynamodb")
        self.name, self.key = props.thing, f"{props.thing}.mp4"
        self.inputs = S3Bucket(s3, where.output("InputBucket"))
        self.outputs = S3Bucket(s3, where.output("OutputBucket"))
        self._stage = S3Bucket(s3, where.output("StageBucket"))
        self._ledger = LedgerTable(self._dynamo, where.output("VideosTable"))
        self._props, self._sleep = props, sleep
        self._device = ""

    def result(self) -> VideoResult:
        return read_result(self.outputs.get(f"{self.name}.json") or b"")

    def remove(self) -> None:
        """Take all away, once nobody is at it who would put it there again."""
        uploaded = self.inputs.find(self.key) is not None
        video = self._at_rest() if uploaded else self._ledger.find(self.name)
        self.inputs.delete([self.key])
        self._stage.delete([f"{self.name}.jpg", *self._stage.list(f"{self.name}/")])
        self.outputs.delete([f"{self.name}{ending}" for ending in ENDINGS])
        if video is not None:
            self._device = video.device
            self._props.remove_sightings(video.device)
        for row in self._rows():
            key = {"video": row["video"], "row": row["row"]}
            self._dynamo.delete_item(TableName=self._ledger.name, Key=key)

    def remains(self) -> list[str]:
        """List what is left of it."""
        return [
            *self.inputs.list(self.key),
            *self._stage.list(f"{self.name}.jpg"),
            *self._stage.list(f"{self.name}/"),
            *self.outputs.list(f"{self.name}."),
            *(f"row {row['row']['S']} of {self.name}" for row in self._rows()),
            *(self._props.traces_of(self._device) if self._device else ()),
        ]

    def _at_rest(self) -> Video | None:
        began = time.monotonic()
        while True:
            video, waited_s = self._ledger.find(self.name), time.monotonic() - began
            most_s = _NOTICED_S if video is None else PATIENCE_S
            if (video is not None and not video.is_open) or waited_s > most_s:
                return video
            self._sleep(_LOOK_S)

    def _rows(self) -> list[dict[str, Any]]:
        pages = self._dynamo.get_paginator("query")
        return [
            row
            for page in pages.paginate(
                TableName=self._ledger.name,
                KeyConditionExpression="video = :video",
                ExpressionAttributeValues={":video": {"S": self.name}},
            )
            for row in page["Items"]
        ]
