"""Who may join the fleet, and as whom: the rule on a table in memory, and what the table asks."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from cloud.admit import AdmitSettings, Answer, Application, Bound, Refused, handle
from cloud.environment import read
from cloud.serials_table import SerialsTable, client
from sightline.errors import ConfigError, MessageError, TransportError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAIM, FIRST, SECOND, OTHER = ("c" * 64, "1" * 64, "2" * 64, "f" * 64)
SERIAL = "10000000abcdef01"
REFUSED: Answer = {"allowProvisioning": False}


class Table:
    """A table of serial numbers that follows the rule by reading and writing."""

    def __init__(self, rows: Mapping[str, str | None]) -> None:
        self.things = dict(rows)
        self.bound: dict[str, str] = {}

    def bind(self, application: Application, now: datetime) -> Bound:
        serial, held = application.serial, self.bound.get(application.serial)
        if serial not in self.things:
            raise Refused(f"{serial} is not on the list")
        own = {application.certificate_id, application.renews}
        if held not in (own if application.renews else {None, application.certificate_id}):
            raise Refused(f"{serial} was claimed before")
        self.bound[serial] = application.certificate_id
        return Bound(thing=self.things[serial])


def event(
    serial: object = SERIAL,
    *,
    new: object = FIRST,
    by: object = CLAIM,
    client: object = "sightline-claim-x",
    **parameters: str,
) -> dict[str, Any]:
    return {
        "claimCertificateId": by,
        "certificateId": new,
        "certificatePem": "-----BEGIN CERTIFICATE-----",
        "templateArn": "arn:aws:iot:us-east-1:000000000000:provisioningtemplate/sightline-fleet",
        "clientId": client,
        "parameters": {"SerialNumber": serial, **parameters},
    }


def ask(table: Table, asked: Mapping[str, Any]) -> Answer:
    return handle(asked, lambda: table, NOON)


def admitted(thing: str) -> Answer:
    return {"allowProvisioning": True, "parameterOverrides": {"ThingName": thing}}


def test_a_serial_number_on_the_list_is_admitted_under_its_things_name() -> None:
    assert ask(Table({SERIAL: "front-door"}), event()) == admitted("front-door")


def test_a_device_that_nobody_named_is_called_after_its_serial_number() -> None:
    assert ask(Table({"B8:27:EB.1": None}), event("B8:27:EB.1")) == admitted("B8-27-EB-1")


def test_a_device_cannot_choose_its_name() -> None:
    asked = event(ThingName="somebody-else")

    assert ask(Table({SERIAL: "front-door"}), asked) == admitted("front-door")


def test_one_that_is_not_on_the_list_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(Table({}), event()) == REFUSED
    assert "not on the list" in caplog.text


def test_one_that_was_claimed_is_refused_to_another_certificate_and_not_to_the_same() -> None:
    table = Table({SERIAL: "front-door"})
    ask(table, event(new=FIRST))

    assert ask(table, event(new=FIRST)) == admitted("front-door")
    assert ask(table, event(new=SECOND)) == REFUSED


def test_a_device_renews_its_certificate_with_its_own_and_again_with_the_new_one() -> None:
    table = Table({SERIAL: "front-door"})
    ask(table, event(new=FIRST))

    renewing = event(new=SECOND, by=FIRST, client="front-door")
    assert ask(table, renewing) == admitted("front-door")
    assert ask(table, renewing) == admitted("front-door")
    assert ask(table, event(new=OTHER, by=FIRST, client="front-door")) == REFUSED
    assert ask(table, event(new=OTHER, by=SECOND, client="front-door")) == admitted("front-door")


def test_a_device_that_has_joined_cannot_take_up_a_second_serial_number() -> None:
    table = Table({SERIAL: "front-door", "2": "back-door"})
    ask(table, event(new=FIRST))

    assert ask(table, event("2", new=SECOND, by=FIRST, client="front-door")) == REFUSED


@pytest.mark.parametrize(
    "asked",
    [
        {},
        event(None),
        event(""),
        event("a b"),
        event("x" * 65),
        event("a/b"),
        event(7),
        event(new="not a certificate's"),
        event(new=None),
        event(client="front-door", by=None),
        event(client=None, by=None),
        {**event(), "parameters": "none"},
    ],
)
def test_what_is_no_application_is_refused(asked: dict[str, Any]) -> None:
    assert ask(Table({SERIAL: None}), asked) == REFUSED


@pytest.mark.parametrize("thing", ["a/b", "+", "x" * 65, "sightline-claim-1"])
def test_a_name_that_is_none_is_refused(thing: str, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(Table({SERIAL: thing}), event()) == REFUSED
    assert "device" in caplog.text


@given(st.dictionaries(st.text(), st.none() | st.text() | st.dictionaries(st.text(), st.text())))
def test_a_stranger_can_cause_no_error(asked: dict[str, Any]) -> None:
    assert ask(Table({SERIAL: None}), asked) == REFUSED


def test_the_log_says_who_was_admitted_and_nothing_of_the_certificate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    ask(Table({SERIAL: "front-door"}), event())

    assert f"admitted serial number {SERIAL} as front-door" in caplog.text
    assert "BEGIN CERTIFICATE" not in caplog.text


def test_trouble_with_the_table_is_left_to_rise() -> None:
    class Gone(Table):
        def bind(self, application: Application, now: datetime) -> Bound:
            raise TransportError("out of reach")

    with pytest.raises(TransportError):
        ask(Gone({}), event())


# The table. What DynamoDB itself makes of the condition is seen in tests/end_to_end.


def stubbed() -> tuple[SerialsTable, Stubber]:
    session = boto3.Session("key", "secret", region_name="us-east-1")  # pragma: allowlist secret
    made = client(session)
    return SerialsTable(made, "serials"), Stubber(made)


def bind(serials: SerialsTable, asked: Mapping[str, Any]) -> Bound:
    return serials.bind(Application.from_event(asked), NOON)


def test_one_conditional_write_binds_a_row() -> None:
    serials, stub = stubbed()
    stub.add_response(
        "update_item",
        {"Attributes": {"serial_number": {"S": SERIAL}, "thing": {"S": "front-door"}}},
        {
            "TableName": "serials",
            "Key": {"serial_number": {"S": SERIAL}},
            "UpdateExpression": "SET certificate_id = :new, admitted_at = :now",
            "ConditionExpression": "attribute_exists(serial_number) AND "
            "(attribute_not_exists(certificate_id) OR certificate_id = :new)",
            "ExpressionAttributeValues": {":new": {"S": FIRST}, ":now": {"S": NOON.isoformat()}},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )

    with stub:
        assert bind(serials, event()) == Bound(thing="front-door")
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("row", "asked", "said"),
    [
        (None, event(), "not on the list"),
        (
            {"certificate_id": {"S": OTHER}},
            event(),
            "claimed before, with certificate ffffffffffff",
        ),
        ({}, event(client="front-door", by=FIRST), "not on the list"),
        ({"note": {"S": "x"}}, event(client="front-door", by=FIRST), "not claimed yet"),
    ],
)
def test_a_refusal_says_why(row: dict[str, Any] | None, asked: dict[str, Any], said: str) -> None:
    serials, stub = stubbed()
    stub.add_client_error(
        "update_item",
        "ConditionalCheckFailedException",
        modeled_fields=None if row is None else {"Item": row},
    )

    with stub, pytest.raises(Refused, match=said):
        bind(serials, asked)


def test_a_table_that_is_not_there_is_the_operators_to_mend() -> None:
    serials, stub = stubbed()
    stub.add_client_error("update_item", "ResourceNotFoundException")

    with stub, pytest.raises(ConfigError, match="is the stack deployed"):
        bind(serials, event())


def test_both_tries_end_before_aws_iot_stops_waiting() -> None:
    session = boto3.Session("key", "secret", region_name="us-east-1")  # pragma: allowlist secret
    config = client(session).meta.config

    most_s = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert most_s <= 4


def test_the_settings_are_one_variable() -> None:
    named = read(AdmitSettings, {"SIGHTLINE_SERIALS_TABLE": "serials", "PATH": "/bin"})

    assert named == AdmitSettings(serials_table="serials")
    with pytest.raises(ConfigError, match="SIGHTLINE_SERIALS_TABLE is not set"):
        read(AdmitSettings, {})
    with pytest.raises(ConfigError, match="SIGHTLINE_ENGINE is no setting here"):
        read(AdmitSettings, {"SIGHTLINE_SERIALS_TABLE": "x", "SIGHTLINE_ENGINE": "dlib"})


def test_an_application_is_read_from_the_broker_not_from_the_device() -> None:
    own = Application.from_event(event(client="front-door", by=FIRST, new=SECOND))

    assert (own.renews, own.certificate_id) == (FIRST, SECOND)
    assert Application.from_event(event()).renews is None
    with pytest.raises(MessageError, match="SerialNumber"):
        Application.from_event({"certificateId": FIRST})
