"""Reads from a certificate until when it is valid.

The standard library can do so only for certificates of authorities, and a device has no use for the
package `cryptography` but to make a key; loading it makes each start of the agent slower.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError, SightlineError, TransportError

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Whether a device's certificate has expired, by a clock that may itself be wrong."""

    path: Path
    until: datetime
    time_of_day: TimeOfDay

    def problem(self) -> SightlineError | None:
        """Say that it has expired: the operator's to mend only if the clock is known to be set."""
        expired = self._expired()
        if expired is None:
            return None
        said = f"[iot] certificate {self.path}: it {expired}"
        if self.time_of_day.is_set():
            return ConfigError(
                f"{said}; provision the device anew, or if that is not today's date, set the clock "
                "(see `timedatectl`)"
            )
        return TransportError(
            f"{said}, and is not set; does the network let NTP (UDP port 123) through? See "
            "`timedatectl`"
        )

    def trouble(self) -> str | None:
        """Say the same for the status, which is short. From any thread."""
        expired = self._expired()
        return None if expired is None else f"the certificate {expired}: one of them is wrong"

    def _expired(self) -> str | None:
        shows = self.time_of_day.shows()
        if shows <= self.until:
            return None
        return (
            f"expired on {self.until:%Y-%m-%d %H:%M} UTC, by this clock, which shows "
            f"{shows:%Y-%m-%d}"
        )


def valid_until(path: Path) -> datetime:
    """Read when the first certificate in a PEM file expires.

    Raises:
        ConfigError: It holds no certificate.

    Source: RFC 5280, section 4.1; the encoding is X.690 (DER).
    """
    try:
        text = path.read_text(encoding="ascii")
        begin = text.index(ssl.PEM_HEADER)
        pem = text[begin : text.index(_END, begin) + len(_END)]
        return _not_after(ssl.PEM_cert_to_DER_cert(pem))
    except (ValueError, IndexError) as err:
        raise ConfigError(f"[iot] certificate {path}: it holds no certificate") from err


def _not_after(der: bytes) -> datetime:
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)  # the part that is signed
    if rest[0] == _VERSION:
        _, _, rest = _element(rest)
    for _ in ("serial number", "signature algorithm", "issuer"):
        _, _, rest = _element(rest)
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity where it should be")
    _, _, rest = _element(validity)
    tag, time, _ = _element(rest)
    if tag == _UTC_TIME:
        # Two digits of a year: 50 and later are of the last century.
        century = "19" if time[:2] >= b"50" else "20"
        time = century.encode() + time
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where it should be")
    return datetime.strptime(time.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Take the first element off *data*: its tag, what it holds, and what follows it."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return tag, data[start : start + length], data[start + length :]
