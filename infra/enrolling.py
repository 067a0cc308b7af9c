"""Composes the service for people over a stack: whoever enrols goes through here."""

import time
from datetime import UTC, datetime

from cloud.enrolment import Enrolment
from cloud.people import People
from cloud.people_table import PeopleTable, TableNames
from infra.target import Target


def open_people(where: Target, *, examine: bool = False) -> People:
    """Build the service; with *examine* it loads the networks, and can take photos.

    Raises:
        ModelError: The networks are missing.
    """
    names = TableNames(
        people=where.output("PeopleTable"),
        faces=where.output("FacesTable"),
        meta=where.output("MetaTable"),
    )
    register = PeopleTable(where.client("dynamodb"), names, sleep=time.sleep)
    if not examine:
        return People(register, now=_now)
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from sightline.faces.engines import prepare_engine
    from sightline.faces.loading import load_recognizer

    name = engine_of(where)
    prepare_engine(name)
    recognizer = load_recognizer(name)
    examiner = Enrolment(
        recognizer=recognizer, engine=recognizer.engine, register=register, now=_now
    )
    return People(register, examiner=examiner, now=_now)


def engine_of(where: Target) -> str:
    """Name the engine that a stack recognises with, and so must be enrolled with."""
    return where.outputs.get("Engine", "dlib")  # the only one that older stacks know


def _now() -> datetime:
    return datetime.now(UTC)
