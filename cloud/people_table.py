"""The register in DynamoDB: the tables people, faces and meta.

Whatever changes one person goes in one transaction, the version's count with it. DynamoDB takes 100
items in one, so somebody with hundreds of faces changes in several; whichever of them is the last
that was made, the tables are in order: faces always have a person.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from botocore.exceptions import ClientError

from cloud.aws import Client, calling
from cloud.dynamo import (
    ATTEMPTS,
    MAX_TRANSACTION_ITEMS,
    Item,
    binary,
    cancelled_by,
    insist,
    number,
    pages,
    pause_s,
    read_bytes,
    read_float,
    read_int,
    read_text,
    text,
)
from cloud.register import Change, ConflictError, EnrolledFace, EnrolledPerson, write_record
from sightline.errors import SightlineError, TransportError
from sightline.wire import read_time, write_time

log = logging.getLogger(__name__)

T = TypeVar("T")

_VERSION_ROW = {"name": text("gallery")}
_FACES_AT_ONCE = MAX_TRANSACTION_ITEMS - 2  # beside the person and the version
_BATCH_GET = 100  # DynamoDB's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNames:
    """The three tables that the register is kept in."""

    people: str
    faces: str
    meta: str


class PeopleTable:
    """See `cloud.register.Register`."""

    def __init__(
        self, client: Client, names: TableNames, *, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._names = names
        self._sleep = sleep

    def version(self) -> int:
        """See `RegisterReader.version`."""
        with calling(f"get the gallery's version from {self._names.meta}"):
            answer = self._client.get_item(
                TableName=self._names.meta, Key=_VERSION_ROW, ConsistentRead=True
            )
        return read_int(answer["Item"], "version") if "Item" in answer else 0

    def people(self, ids: Collection[str] | None = None) -> Mapping[str, EnrolledPerson]:
        """See `RegisterReader.people`."""
        items = (
            pages(self._client, "scan", TableName=self._names.people)
            if ids is None
            else self._batch_get(sorted(ids))
        )
        return {person.id: person for person in _readable(items, _read_person, "person_id")}

    def faces(self, person_id: str | None = None) -> Sequence[EnrolledFace]:
        """See `RegisterReader.faces`."""
        if person_id is None:
            items = pages(self._client, "scan", TableName=self._names.faces)
        else:
            items = pages(
                self._client,
                "query",
                TableName=self._names.faces,
                KeyConditionExpression="person_id = :person",
                ExpressionAttributeValues={":person": text(person_id)},
            )
        return list(_readable(items, _read_face, "face_id"))

    def write(self, change: Change) -> None:
        """See `Register.write`."""
        steps = list(self._steps(change))
        for number_, step in enumerate(steps):
            try:
                self._transact(step)
            except ConflictError as err:
                if number_ == 0:
                    raise
                raise TransportError(
                    f"{change.person_id} was changed by somebody else half-way; try again"
                ) from err

    def _steps(self, change: Change) -> Iterator[list[dict[str, Any]]]:
        """Split *change* into transactions; any first few of them leave the tables in order."""
        faces = [self._put_face(face) for face in change.added]
        faces += [self._delete_face(change.person_id, face_id) for face_id in change.removed]
        groups = [
            faces[start : start + _FACES_AT_ONCE]
            for start in range(0, max(1, len(faces)), _FACES_AT_ONCE)
        ]
        for place, group in enumerate(groups):
            last = place == len(groups) - 1
            yield [self._step_person(change, place, last=last), *group, self._count_up()]

    def _step_person(self, change: Change, place: int, *, last: bool) -> dict[str, Any]:
        """Change the person's row as the *place*-th transaction has to."""
        key = {"person_id": text(change.person_id)}
        if change.person is None:
            was = _is_at((change.expected or 0) + place)
            # The person goes last: nobody who is listed as forgotten has a face left behind.
            return self._delete_person(key, was) if last else self._revise(key, was)
        if place > 0:
            return self._revise(key, {"ConditionExpression": "attribute_exists(person_id)"})
        if change.expected is None:
            was = {"ConditionExpression": "attribute_not_exists(person_id)"}
        else:
            was = _is_at(change.expected)
        item = _write_person(change.person)
        return {"Put": {"TableName": self._names.people, "Item": item, **was}}

    def _delete_person(self, key: Item, was: dict[str, Any]) -> dict[str, Any]:
        return {"Delete": {"TableName": self._names.people, "Key": key, **was}}

    def _revise(self, key: Item, was: dict[str, Any]) -> dict[str, Any]:
        values = {**was.get("ExpressionAttributeValues", {}), ":one": number(1)}
        return {
            "Update": {
                "TableName": self._names.people,
                "Key": key,
                "UpdateExpression": "ADD revision :one",
                **was,
                "ExpressionAttributeValues": values,
            }
        }

    def _put_face(self, face: EnrolledFace) -> dict[str, Any]:
        return {"Put": {"TableName": self._names.faces, "Item": _write_face(face)}}

    def _delete_face(self, person_id: str, face_id: str) -> dict[str, Any]:
        key = {"person_id": text(person_id), "face_id": text(face_id)}
        return {"Delete": {"TableName": self._names.faces, "Key": key}}

    def _count_up(self) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._names.meta,
                "Key": _VERSION_ROW,
                "UpdateExpression": "ADD #version :one",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":one": number(1)},
            }
        }

    def _transact(self, items: list[dict[str, Any]]) -> None:
        def write() -> None:
            try:
                self._client.transact_write_items(TransactItems=items)
            except ClientError as err:
                if cancelled_by(err, "ConditionalCheckFailed"):
                    raise ConflictError(f"{what}: somebody else did at the same time") from err
                raise

        what = f"change {self._names.people}"
        # All changes meet at the version's row, so two at once are in each other's way.
        insist(what, write, self._sleep)

    def _batch_get(self, ids: Sequence[str]) -> Iterator[Item]:
        for start in range(0, len(ids), _BATCH_GET):
            keys = [{"person_id": text(id_)} for id_ in ids[start : start + _BATCH_GET]]
            for attempt in range(ATTEMPTS):
                with calling(f"get people from {self._names.people}"):
                    answer = self._client.batch_get_item(
                        RequestItems={self._names.people: {"Keys": keys, "ConsistentRead": True}}
                    )
                yield from answer["Responses"].get(self._names.people, [])
                left = answer.get("UnprocessedKeys", {}).get(self._names.people)
                if not left:
                    break
                keys = left["Keys"]
                self._sleep(pause_s(attempt))
            else:
                raise TransportError(f"get people from {self._names.people}: too many requests")


def _is_at(revision: int) -> dict[str, Any]:
    return {
        "ConditionExpression": "revision = :was",
        "ExpressionAttributeValues": {":was": number(revision)},
    }


def _write_person(person: EnrolledPerson) -> Item:
    item = {
        "person_id": text(person.id),
        "name": text(person.name),
        "record": text(write_record(person.record)),
        "created": text(write_time(person.created_at)),
        "updated": text(write_time(person.updated_at)),
        "revision": number(person.revision),
    }
    return item if person.consent is None else {**item, "consent": text(person.consent)}


def _read_person(item: Item) -> EnrolledPerson:
    return EnrolledPerson(
        id=read_text(item, "person_id"),
        name=read_text(item, "name"),
        record=json.loads(read_text(item, "record")),
        consent=read_text(item, "consent") if "consent" in item else None,
        created_at=read_time(read_text(item, "created")),
        updated_at=read_time(read_text(item, "updated")),
        revision=read_int(item, "revision"),
    )


def _write_face(face: EnrolledFace) -> Item:
    return {
        "person_id": text(face.person_id),
        "face_id": text(face.id),
        "engine": text(face.engine),
        "embedding": binary(face.embedding.astype("<f4").tobytes()),  # little-endian everywhere
        "photo_sha256": text(face.photo_sha256),
        "side_px": number(face.side_px),
        "sharpness": number(face.sharpness),
        "added": text(write_time(face.added_at)),
    }


def _read_face(item: Item) -> EnrolledFace:
    return EnrolledFace(
        person_id=read_text(item, "person_id"),
        id=read_text(item, "face_id"),
        engine=read_text(item, "engine"),
        embedding=np.frombuffer(read_bytes(item, "embedding"), "<f4").astype(np.float32),
        photo_sha256=read_text(item, "photo_sha256"),
        side_px=read_float(item, "side_px"),
        sharpness=read_float(item, "sharpness"),
        added_at=read_time(read_text(item, "added")),
    )


def _readable(items: Iterator[Item], read: Callable[[Item], T], key: str) -> Iterator[T]:
    """Read all *items* but those that somebody else wrote: one must not stop all recognition."""
    for item in items:
        try:
            yield read(item)
        except (KeyError, ValueError, SightlineError) as err:
            row = item.get(key, {}).get("S")
            log.warning("the row with the %s %r is not ours and left out: %r", key, row, err)
