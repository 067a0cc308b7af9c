"""The fleet's serial numbers in DynamoDB.

| attribute       | what it is                                                          |
|-----------------|---------------------------------------------------------------------|
| `serial_number` | the key                                                             |
| `thing`         | what the device is to be called; absent: after its serial number    |
| `certificate_id`| the certificate that it was admitted with; absent: not claimed yet  |
| `admitted_at`   | when, RFC 3339                                                      |
| `note`          | the operator's own words                                            |
"""

from datetime import datetime
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError

from cloud.admit import Application, Bound, Refused
from cloud.aws import Client, calling, code

# Twice this is less than the 5 s that AWS IoT waits for the answer.
_CONFIG = Config(
    connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2}
)

_FREE = "attribute_not_exists(certificate_id) OR certificate_id = :new"
_OWN = "certificate_id IN (:current, :new)"


def client(session: Session) -> Client:
    """Make a DynamoDB client that gives up before AWS IoT does."""
    return session.client("dynamodb", config=_CONFIG)


class SerialsTable:
    """See `cloud.admit.Serials`."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table

    def bind(self, application: Application, now: datetime) -> Bound:
        """See `Serials.bind`. One conditional write: of two devices one alone can have it."""
        values = {":new": application.certificate_id, ":now": now.isoformat()}
        if application.renews is not None:
            values[":current"] = application.renews
        condition = _FREE if application.renews is None else _OWN
        with calling(f"admit {application.serial} by the table {self._table}"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"serial_number": {"S": application.serial}},
                    UpdateExpression="SET certificate_id = :new, admitted_at = :now",
                    ConditionExpression=f"attribute_exists(serial_number) AND ({condition})",
                    ExpressionAttributeValues={k: {"S": v} for k, v in values.items()},
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as err:
                if code(err) != "ConditionalCheckFailedException":
                    raise
                raise Refused(_reason(application, err.response.get("Item"))) from err
        return Bound(thing=answer["Attributes"].get("thing", {}).get("S"))


def _reason(application: Application, row: dict[str, Any] | None) -> str:
    serial = application.serial
    if not row:
        return f"serial number {serial} is not on the list; ./run serials add {serial}"
    held = row.get("certificate_id", {}).get("S")
    if held is None:
        return f"serial number {serial} is not claimed yet, and this was no claim's certificate"
    return (
        f"serial number {serial} was claimed before, with certificate {held[:12]}; if its device "
        f"lost that, ./run serials release {serial}"
    )
