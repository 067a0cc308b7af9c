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
    from sightline.faces.detector import Detector
    from sightline.faces.engines import load_engine, prepare_engine
    from sightline.faces.recognizer import Recognizer

    prepare_engine()
    engine = load_engine()
    recognizer = Recognizer(Detector(), engine)
    examiner = Enrolment(recognizer=recognizer, engine=engine, register=register, now=_now)
    return People(register, examiner=examiner, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)
