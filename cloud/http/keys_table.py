"""Keys in DynamoDB, and beside them how often each was used in a minute.

| row   | key_id                   | and                                                          |
|-------|--------------------------|--------------------------------------------------------------|
| key   | its id                   | name, scopes, digest, created_at, valid_until, revoked_at    |
| count | `rate#<minute>#<of what>` | taken, expires_at: DynamoDB deletes it some time after that |

A function needs to change the counts alone: their keys all begin with `rate#`, so that its policy
can keep it from making itself a key.
"""

from datetime import datetime
from typing import cast

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from cloud.dynamo import Item, number, pages, read_bytes, read_text, text
from cloud.http.keys import ApiKey, Scope
from sightline.errors import ConfigError
from sightline.wire import read_time, write_time

COUNT_PREFIX = "rate#"
_COUNT_KEPT_S = 3600
_KEPT_AFTER_ITS_TIME_S = 90 * 86400  # so that `keys list` can still say why it does not work


class KeysTable:
    """See `cloud.http.keys.KeyStore`."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self.name = table

    def find(self, key_id: str) -> ApiKey | None:
        """See `KeyStore.find`."""
        with calling(f"look up a key in {self.name}"):
            answer = self._client.get_item(
                TableName=self.name, Key={"key_id": text(key_id)}, ConsistentRead=True
            )
        item: Item | None = answer.get("Item")
        return None if item is None or "digest" not in item else _read(item)

    def take(self, what: str, *, most: int, now: datetime) -> bool:
        """See `KeyStore.take`: one write, which does not happen if there were enough."""
        second = int(now.timestamp())
        with calling(f"count a request in {self.name}"):
            try:
                self._client.update_item(
                    TableName=self.name,
                    Key={"key_id": text(f"{COUNT_PREFIX}{second // 60}#{what}")},
                    UpdateExpression="SET expires_at = :over ADD taken :one",
                    ConditionExpression="attribute_not_exists(taken) OR taken < :most",
                    ExpressionAttributeValues={
                        ":over": number(second + _COUNT_KEPT_S),
                        ":one": number(1),
                        ":most": number(most),
                    },
                )
            except ClientError as err:
                if code(err) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def add(self, key: ApiKey) -> None:
        """Keep a new key.

        Raises:
            ConfigError: A right is missing, or the table.
            TransportError: The store did not answer.
        """
        with calling(f"add a key to {self.name}"):
            self._client.put_item(
                TableName=self.name,
                Item=_write(key),
                ConditionExpression="attribute_not_exists(key_id)",
            )

    def all(self) -> list[ApiKey]:
        """Give every key, the oldest first.

        Raises:
            ConfigError: A right is missing, or the table.
            TransportError: The store did not answer.
        """
        found = pages(
            self._client,
            "scan",
            TableName=self.name,
            FilterExpression="attribute_exists(digest)",
        )
        return sorted(map(_read, found), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        """Let a key open nothing any more, from the next request on; twice does no harm.

        Raises:
            ConfigError: There is no such key, or a right is missing.
            TransportError: The store did not answer.
        """
        with calling(f"revoke a key in {self.name}"):
            try:
                answer = self._client.update_item(
                    TableName=self.name,
                    Key={"key_id": text(key_id)},
                    UpdateExpression="SET revoked_at = if_not_exists(revoked_at, :now)",
                    ConditionExpression="attribute_exists(digest)",
                    ExpressionAttributeValues={":now": text(write_time(now))},
                    ReturnValues="ALL_NEW",
                )
            except ClientError as err:
                if code(err) != "ConditionalCheckFailedException":
                    raise
                raise ConfigError(
                    f"there is no key {key_id!r}; `keys list` shows which there are"
                ) from err
        return _read(answer["Attributes"])


def _write(key: ApiKey) -> Item:
    item: Item = {
        "key_id": text(key.id),
        "name": text(key.name),
        "scopes": {"SS": sorted(key.scopes)},
        "digest": {"B": key.digest},
        "created_at": text(write_time(key.created_at)),
    }
    if key.valid_until is not None:
        item["valid_until"] = text(write_time(key.valid_until))
        over = int(key.valid_until.timestamp()) + _KEPT_AFTER_ITS_TIME_S
        item["expires_at"] = number(over)
    if key.revoked_at is not None:
        item["revoked_at"] = text(write_time(key.revoked_at))
    return item


def _read(item: Item) -> ApiKey:
    return ApiKey(
        id=read_text(item, "key_id"),
        name=read_text(item, "name"),
        scopes=frozenset(cast(list[Scope], item["scopes"]["SS"])),
        digest=read_bytes(item, "digest"),
        created_at=read_time(read_text(item, "created_at")),
        valid_until=_time(item, "valid_until"),
        revoked_at=_time(item, "revoked_at"),
    )


def _time(item: Item, name: str) -> datetime | None:
    return read_time(read_text(item, name)) if name in item else None
