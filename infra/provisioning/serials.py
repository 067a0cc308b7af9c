"""The fleet's list of serial numbers: which devices may join it, and which have."""

import csv
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from infra.account import error_code, translated
from infra.target import Target
from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_serial, check_thing, thing_of

COLUMNS = ("serial_number", "thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """A row of the table; cloud/serials_table.py says what is in it."""

    number: str
    thing: str
    certificate_id: str | None = None
    admitted_at: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        try:
            check_serial(self.number)
            check_thing(self.thing)
        except MessageError as err:
            raise ConfigError(str(err)) from err


class SerialList:
    """The table, as an operator sees it."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    @classmethod
    def of(cls, target: Target) -> Self:
        """Take a stack's.

        Raises:
            ConfigError: It was deployed from a version that had none.
        """
        return cls(target.client("dynamodb"), target.output("SerialsTable"))

    def all(self) -> list[Serial]:
        """Give all rows, by their things' names.

        Raises:
            ConfigError: AWS refuses.
            TransportError: AWS is out of reach.
        """
        with translated("reading the list of serial numbers"):
            pages = self._client.get_paginator("scan").paginate(TableName=self._table)
            rows = [_read(item) for page in pages for item in page["Items"]]
        return sorted(rows, key=lambda row: (row.thing, row.number))

    def add(self, serials: Iterable[Serial]) -> list[Serial]:
        """Put serial numbers on the list, and give those that are new.

        Raises:
            ConfigError: A thing's name is another's on the list, or AWS refuses.
            TransportError: AWS is out of reach.
        """
        there = {row.number: row for row in self.all()}
        new = []
        for serial in serials:
            row = there.get(serial.number)
            if row is not None and row.thing == serial.thing:
                continue
            if row is not None:
                raise ConfigError(
                    f"serial number {serial.number} is on the list already, as {row.thing}"
                )
            other = next((r.number for r in there.values() if r.thing == serial.thing), None)
            if other is not None:
                raise ConfigError(
                    f"{serial.thing} is serial number {other} already; give {serial.number} "
                    "another name"
                )
            there[serial.number] = serial
            new.append(serial)
        with translated("adding to the list of serial numbers"):
            for serial in new:
                self._put(serial)
        return new

    def release(self, number: str) -> Serial:
        """Let a serial number be claimed again, and give its row.

        Raises:
            ConfigError: It is not on the list, or AWS refuses.
            TransportError: AWS is out of reach.
        """
        with translated(f"releasing serial number {number}"):
            return self._change(
                number, "update_item", UpdateExpression="REMOVE certificate_id, admitted_at"
            )

    def remove(self, number: str) -> Serial:
        """Take a serial number off the list, and give what its row was.

        Raises:
            ConfigError: It is not on the list, or AWS refuses.
            TransportError: AWS is out of reach.
        """
        with translated(f"removing serial number {number}"):
            return self._change(number, "delete_item")

    def certificate_of(self, number: str) -> str | None:
        """Give the certificate that a device was admitted with last; None: none is known."""
        item = self._client.get_item(
            TableName=self._table, Key={COLUMNS[0]: {"S": number}}, ConsistentRead=True
        ).get("Item")
        return _read(item).certificate_id if item else None

    def _put(self, serial: Serial) -> None:
        item = {COLUMNS[0]: serial.number, COLUMNS[1]: serial.thing}
        if serial.note:
            item["note"] = serial.note
        try:
            self._client.put_item(
                TableName=self._table,
                Item={name: {"S": value} for name, value in item.items()},
                ConditionExpression="attribute_not_exists(serial_number)",
            )
        except ClientError as err:
            if error_code(err) != "ConditionalCheckFailedException":
                raise
            # Somebody else put it there just now: a row that may be bound is not written over.

    def _change(self, number: str, operation: str, **more: Any) -> Serial:
        try:
            answer = getattr(self._client, operation)(
                TableName=self._table,
                Key={COLUMNS[0]: {"S": number}},
                ConditionExpression="attribute_exists(serial_number)",
                ReturnValues="ALL_OLD",
                **more,
            )
        except ClientError as err:
            if error_code(err) != "ConditionalCheckFailedException":
                raise
            raise ConfigError(f"serial number {number} is not on the list") from err
        return _read(answer["Attributes"])


def _read(item: dict[str, Any]) -> Serial:
    row = {name: value.get("S") for name, value in item.items()}
    number = row[COLUMNS[0]]
    return Serial(
        number=number,
        thing=row.get("thing") or thing_of(number),
        certificate_id=row.get("certificate_id"),
        admitted_at=row.get("admitted_at"),
        note=row.get("note"),
    )


def numbered(prefix: str, taken: Iterable[str]) -> Iterator[str]:
    """Give names that are not *taken*, one after another: PREFIX-1, PREFIX-2, and so on."""
    used, number = set(taken), 0
    while True:
        number += 1
        if (name := f"{prefix}-{number}") not in used:
            yield name


def made_up() -> str:
    """Make up a serial number that nobody guesses: who has the claim could claim it first."""
    return secrets.token_hex(8)


def read_file(path: Path) -> list[tuple[str, str | None]]:
    """Read serial numbers, one a line, each with the name of its thing or without.

    Raises:
        ConfigError: It cannot be read, or a line is wrong; it says which.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} cannot be read: {err}") from err
    found: list[tuple[str, str | None]] = []
    for number, row in enumerate(csv.reader(lines), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or cells[0] == COLUMNS[0]:
            continue
        try:
            serial, thing = check_serial(cells[0]), (cells[1] if len(cells) > 1 else "") or None
            if thing is not None:
                check_thing(thing)
        except MessageError as err:
            raise ConfigError(f"{path}, line {number}: {err}") from err
        if serial in (each for each, _ in found):
            raise ConfigError(f"{path}, line {number}: {serial} is there twice")
        found.append((serial, thing))
    if not found:
        raise ConfigError(f"{path} holds no serial number")
    return found
