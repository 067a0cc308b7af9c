"""Lambda: say whether a device may join the fleet, and under which name.

AWS IoT asks this, the pre-provisioning hook, each time that a device wants to become a thing by
`infra/template.yaml`'s provisioning template. It must answer within 5 s, and its answer reaches the
device as yes or no alone: the reason stands in the log.

A row of the table of serial numbers is bound to the certificate that it was admitted with:

- who comes with a claim certificate is admitted if the row is not bound, or to this very
  certificate: it asks again because it did not hear the answer;
- who comes with a certificate of its own is admitted if that is the one the row is bound to: it
  renews it. So a device that has joined cannot take up a second serial number.

Source: AWS IoT Core developer guide, "Pre-provisioning hooks".
"""

import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from cloud.environment import read
from sightline.errors import ConfigError, MessageError
from sightline.fleet import (
    CLAIM_CLIENTS,
    SERIAL_PARAMETER,
    THING_PARAMETER,
    check_serial,
    check_thing,
    thing_of,
)

log = logging.getLogger(__name__)

_CERTIFICATE = re.compile(r"[0-9a-f]{64}")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitSettings:
    """One field a variable: `serials_table` is `SIGHTLINE_SERIALS_TABLE`."""

    serials_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A device that wants to join, or to renew its certificate."""

    serial: str
    certificate_id: str  # the new one
    renews: str | None  # the certificate of its own that it came with; None: a claim's

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what AWS IoT asks.

        Raises:
            MessageError: A field is missing or wrong.
        """
        parameters = event.get("parameters")
        serial = parameters.get(SERIAL_PARAMETER) if isinstance(parameters, dict) else None
        if not isinstance(serial, str):
            raise MessageError(f"the device gave no {SERIAL_PARAMETER}")
        new, current = event.get("certificateId"), event.get("claimCertificateId")
        if not isinstance(new, str) or not _CERTIFICATE.fullmatch(new):
            raise MessageError("certificateId is no certificate's")
        client = event.get("clientId")
        # The broker's word: ClaimPolicy lets a claim's certificate connect under no other name.
        if isinstance(client, str) and client.startswith(CLAIM_CLIENTS):
            return cls(serial=check_serial(serial), certificate_id=new, renews=None)
        if not isinstance(current, str) or not _CERTIFICATE.fullmatch(current):
            raise MessageError("claimCertificateId is no certificate's")
        return cls(serial=check_serial(serial), certificate_id=new, renews=current)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A serial number's row, now bound to the applicant's certificate."""

    thing: str | None  # as the operator named it


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """The device may not join; the text is for the log."""


class Serials(Protocol):
    """The fleet's serial numbers; `cloud.serials_table.SerialsTable` keeps them in DynamoDB."""

    def bind(self, application: Application, now: datetime) -> Bound:
        """Bind the row of the applicant's serial number to its new certificate.

        Raises:
            Refused: There is no such row, or it is bound to another certificate.
            TransportError: The table is out of reach.
        """
        ...


def handler(event: Mapping[str, Any], _context: object) -> Answer:
    """Serve AWS."""
    return handle(event, _serials, datetime.now(UTC))


def handle(event: Mapping[str, Any], serials: Callable[[], Serials], now: datetime) -> Answer:
    """Answer *event*; an error that a retry may mend is left to rise."""
    try:
        application = Application.from_event(event)
        bound = serials().bind(application, now)
        thing = check_thing(bound.thing) if bound.thing else thing_of(application.serial)
    except (MessageError, Refused) as err:
        log.warning("refused client %s: %s", _shown(event.get("clientId")), err)
        return {"allowProvisioning": False}
    log.info(
        "admitted serial number %s as %s with certificate %s%s",
        application.serial,
        thing,
        application.certificate_id[:12],
        f", which takes the place of {application.renews[:12]}" if application.renews else "",
    )
    # The device's own parameters cannot name the thing: these are laid over them.
    return {"allowProvisioning": True, "parameterOverrides": {THING_PARAMETER: thing}}


def _shown(value: object) -> str:
    return ascii(value)[:140]


@functools.cache
def _serials() -> Serials:
    import boto3

    from cloud.serials_table import SerialsTable, client

    settings = read(AdmitSettings, os.environ)
    return SerialsTable(client(boto3.Session()), settings.serials_table)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:  # while Lambda starts, which is not part of the 5 s
    try:
        _serials()
    except ConfigError as err:
        log.error("the function is not ready: %s", err)
