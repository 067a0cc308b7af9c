"""Keys of the API: who may ask for what.

A key reads `sl_<id>_<secret>`. The id is no secret: it stands in logs, and in the name of the
virtual device that the key's frames are of. Of the secret, 256 random bits, only the SHA-256 is
kept: it cannot be guessed, so that nothing slower is needed.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, get_args

from sightline.errors import ConfigError

Scope = Literal["read", "recognise", "enrol"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

MAX_NAME = 100

_PREFIX = "sl"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_SECRET_BYTES = 32
_KEY = re.compile(r"sl_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is kept of a key."""

    id: str
    name: str  # whose it is, for the operator
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)  # SHA-256 of the secret
    created_at: datetime
    valid_until: datetime | None = None
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > MAX_NAME or not self.name.isprintable():
            raise ConfigError(f"{self.name[:60]!r}: give 1 to {MAX_NAME} printable characters")
        if not self.scopes or not self.scopes <= set(SCOPES):
            raise ConfigError(f"a key's scopes are one or more of {', '.join(SCOPES)}")
        if self.valid_until is not None and self.valid_until <= self.created_at:
            raise ConfigError("a key that is over before it begins is of no use")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedKey:
    """A key as a caller sends it."""

    id: str
    digest: bytes = field(repr=False)


class KeyStore(Protocol):
    """Where keys are looked up, and requests are counted.

    `cloud.http.keys_table.KeysTable` keeps them in DynamoDB, `cloud.http.memory.MemoryKeys` in the
    process. Both pass the same laws.
    """

    def find(self, key_id: str) -> ApiKey | None:
        """Look a key up; one that was just revoked is seen to be.

        Raises:
            TransportError: The store did not answer.
        """
        ...

    def take(self, what: str, *, most: int, now: datetime) -> bool:
        """Count one more of *what* in this minute, if there were less than *most*.

        Raises:
            TransportError: The store did not answer.
        """
        ...


def issue(
    name: str, scopes: Iterable[Scope], *, now: datetime, valid_until: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key; its text is given here, and nowhere ever again.

    Raises:
        ConfigError: The name, the scopes or the time is none that a key can have.
    """
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(
        id=key_id,
        name=name,
        scopes=frozenset(scopes),
        digest=_digest(secret),
        created_at=now,
        valid_until=valid_until,
    )
    return key, f"{_PREFIX}_{key_id}_{secret}"


def parse(text: str) -> PresentedKey | None:
    """Read what a caller sent; None: it is no key."""
    found = _KEY.fullmatch(text)
    return None if found is None else PresentedKey(id=found[1], digest=_digest(found[2]))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
