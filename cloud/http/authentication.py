"""Who asks: an IAM principal that API Gateway vouches for, or whoever has a key."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cloud.http.keys import SCOPES, ApiKey, KeyStore, PresentedKey, Scope, parse
from cloud.http.problems import Problem
from sightline.wire import write_time

FAILURES_PER_MINUTE = 30  # of one address, which may be many callers' behind one router

_IAM = "iam"
_NOBODYS = bytes(32)  # no secret has this digest; it is compared with where there is no key


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request says of who sent it, and what API Gateway does."""

    key: str | None  # as sent; None: none was
    by_iam: bool  # API Gateway checked the signature
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who may ask for something."""

    id: str  # a key's, or `iam`
    scopes: frozenset[Scope]

    @property
    def device(self) -> str:
        """The virtual device that their frames are of."""
        return f"http-{self.id}"

    def must_have(self, scope: Scope) -> None:
        """Refuse to go on without *scope*.

        Raises:
            Problem: 403.
        """
        if scope not in self.scopes:
            raise Problem(403, "scope", f"this key has not the scope {scope!r}; use one that has")


class Authenticator:
    """Finds out who a caller is, and whether they have asked too often."""

    def __init__(
        self, keys: Callable[[], KeyStore], *, per_minute: int, now: Callable[[], datetime]
    ) -> None:
        """Take what is needed.

        Args:
            keys: Opens the keys, when the first is looked up.
            per_minute: Requests that one key may make in a minute of the clock.
            now: The time, with its zone.
        """
        self._keys = keys
        self._per_minute = per_minute
        self._now = now
        self._noisy: tuple[int, set[str]] = (0, set())  # a minute, and who failed enough in it

    def identify(self, credentials: Credentials) -> Caller:
        """Say who asks.

        Raises:
            Problem: 401, or 429 if it was too often.
            TransportError: The keys could not be looked up.
        """
        if credentials.by_iam:
            return Caller(id=_IAM, scopes=frozenset(SCOPES))
        if credentials.key is None:
            raise _unauthorized("send a key: Authorization: Bearer sl_…, or x-api-key: sl_…")
        presented = parse(credentials.key)
        if presented is None:  # nothing was looked up, so that nothing need be counted
            raise _unauthorized("this is no key; one looks like sl_<id>_<secret>")
        return self._check(presented, credentials.address)

    def _check(self, presented: PresentedKey, address: str) -> Caller:
        """Look up, compare, count: as many steps for a key that nobody has as for a good one."""
        now, keys = self._now(), self._keys()
        key = keys.find(presented.id)
        is_same = hmac.compare_digest(_NOBODYS if key is None else key.digest, presented.digest)
        if key is None or not is_same:
            self._count_failure(keys, address, now)
            raise _unauthorized("this key is not known here")
        wrong = _why_over(key, now)
        if wrong:
            self._count_failure(keys, address, now)
            raise _unauthorized(wrong)
        if not keys.take(key.id, most=self._per_minute, now=now):
            raise _too_many(f"this key has made {self._per_minute} requests in this minute", now)
        return Caller(id=key.id, scopes=key.scopes)

    def _count_failure(self, keys: KeyStore, address: str, now: datetime) -> None:
        """Let an address fail some times a minute; what is over costs us no more writes."""
        minute = int(now.timestamp()) // 60
        if self._noisy[0] != minute:
            self._noisy = (minute, set())
        who = hashlib.sha256(address.encode()).hexdigest()[:16]
        if who not in self._noisy[1]:
            if keys.take(f"failed#{who}", most=FAILURES_PER_MINUTE, now=now):
                return
            self._noisy[1].add(who)
        raise _too_many("too many wrong keys came from this address in this minute", now)


def _why_over(key: ApiKey, now: datetime) -> str:
    """Say to who has the whole key why it opens nothing any more; empty: it does."""
    if key.revoked_at is not None:
        return f"this key was revoked on {write_time(key.revoked_at)}"
    if key.valid_until is not None and key.valid_until <= now:
        return f"this key was valid until {write_time(key.valid_until)}"
    return ""


def _unauthorized(detail: str) -> Problem:
    challenge = {"www-authenticate": 'Bearer realm="sightline"'}
    return Problem(401, "unauthorized", detail, headers=challenge)


def _too_many(detail: str, now: datetime) -> Problem:
    wait_s = 60 - int(now.timestamp()) % 60
    text = f"{detail}; try again in {wait_s} s"
    return Problem(429, "too-many-requests", text, headers={"retry-after": str(wait_s)})
