"""A device's certificate folder: what is in it must be there, fit together, and be kept secret."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from device.network.certificate import Validity, valid_until
from device.settings import IotSettings
from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a device is to IoT Core: three PEM files that have been checked."""

    ca: Path
    certificate: Path
    private_key: Path

    def context(self) -> ssl.SSLContext:
        """Make what Python's own TLS needs to show this identity."""
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.private_key, password=_refuse_encrypted)
        return context


def load(settings: IotSettings, *, time_of_day: TimeOfDay | None = None) -> Identity:
    """Check the files that *settings* names, and that the certificate has not expired.

    Raises:
        ConfigError: See `read`; or the certificate has expired.
        TransportError: It seems to have expired, by a clock that is not set (yet).
    """
    identity = read(settings)
    if (problem := validity(identity, time_of_day or TimeOfDay()).problem()) is not None:
        raise problem
    return identity


def validity(identity: Identity, time_of_day: TimeOfDay) -> Validity:
    """Read until when its certificate is valid."""
    until = valid_until(identity.certificate)
    return Validity(path=identity.certificate, until=until, time_of_day=time_of_day)


def read(settings: IotSettings) -> Identity:
    """Check the files that *settings* names; whether the certificate has expired is not asked.

    Raises:
        ConfigError: One is missing or no PEM file, others can read the key, or it is not the
            certificate's.
    """
    identity = Identity(
        ca=settings.ca, certificate=settings.certificate, private_key=settings.private_key
    )
    for key in ("ca", "certificate", "private_key"):
        _check_readable(key, getattr(identity, key))
    mode = stat.S_IMODE(identity.private_key.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"[iot] private_key {identity.private_key}: others can read it (mode {mode:o}); "
            f"`chmod 600 {identity.private_key}`"
        )
    _check_fit(identity)
    return identity


def _check_readable(key: str, path: Path) -> None:
    try:
        text = path.read_bytes()
    except FileNotFoundError as err:
        raise ConfigError(f"[iot] {key} {path}: no such file; provision the device anew") from err
    except OSError as err:
        raise ConfigError(f"[iot] {key} {path}: cannot be read: {err.strerror or err}") from err
    if b"-----BEGIN " not in text:
        raise ConfigError(f"[iot] {key} {path}: it is not a PEM file (-----BEGIN …)")


def _check_fit(identity: Identity) -> None:
    try:
        ssl.create_default_context(cafile=identity.ca)
    except (ssl.SSLError, OSError) as err:
        raise ConfigError(f"[iot] ca {identity.ca}: it holds no certificate: {err}") from err
    try:
        identity.context()
    except ssl.SSLError as err:
        if err.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"[iot] private_key {identity.private_key}: it is not the key of "
                f"{identity.certificate}; take both from one provisioning"
            ) from err
        raise ConfigError(
            f"[iot] certificate {identity.certificate} and private_key {identity.private_key}: "
            f"they cannot be read: {err.reason or err}"
        ) from err


def _refuse_encrypted() -> bytes:
    raise ConfigError("[iot] private_key: it is encrypted, and nobody is there to give a password")
