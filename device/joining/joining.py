"""Becoming a device of the fleet at the first start, and renewing the certificate later.

A device that has an identity of its own never uses the claim again, and deletes the claim's key:
whoever takes the card can then be this one device at most.
"""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from device.joining import serial_number
from device.joining.kept_identity import FOLDER, IdentityFolder, Kept
from device.network import identity
from device.network.backoff import Backoff
from device.network.iot_link import IotLink
from device.settings import ClaimSettings, IotSettings, Settings
from sightline.errors import ConfigError, SightlineError, TransportError
from sightline.fleet import claim_client_id
from sightline.topics import topic

if TYPE_CHECKING:
    from device.joining.claim import Desk

log = logging.getLogger(__name__)

CONNECT_S = 15.0

OpenDesk = Callable[[IotSettings, str, str], "contextlib.AbstractContextManager[Desk]"]
TryOut = Callable[[IotSettings, str], None]  # settings with an identity, and its thing


def aws_desk(
    settings: IotSettings, client_id: str, template: str
) -> "contextlib.AbstractContextManager[Desk]":
    """Open the desk at AWS IoT Core, for the certificate that *settings* names."""
    from device.joining.iot_desk import IotDesk

    return IotDesk(settings, identity.load(settings), client_id, template)


def connect(settings: IotSettings, thing: str) -> None:
    """Try out the certificate that *settings* names.

    Raises:
        ConfigError: The broker refuses it.
        TransportError: There is no connection.
    """
    ready = threading.Event()
    with IotLink(settings, identity.load(settings), thing) as link:
        link.subscribe(topic(thing, "commands"), lambda _topic, _payload: None)
        link.on_connected(ready.set)
        if not ready.wait(CONNECT_S):
            raise TransportError(f"{thing} cannot connect with its new certificate")


@contextlib.contextmanager
def joined(
    config: Path,
    stop: threading.Event,
    *,
    desk: OpenDesk = aws_desk,
    try_out: TryOut = connect,
    backoff: Backoff | None = None,
) -> Iterator[Settings | None]:
    """Give the settings of a device that has an identity; one with a claim alone gets its own now.

    While the network is down it goes on trying. While the settings are in use, so is the identity:
    no second agent gets it.

    Yields:
        The settings; None if *stop* was set before the device had joined.

    Raises:
        ConfigError: Something that the operator must mend.
    """
    written = Settings.read(config)
    if written.claim is None:
        yield written
        return
    folder = IdentityFolder(config.absolute().parent / FOLDER)
    with folder.lock():
        kept = folder.current()
        if kept is None:
            kept = _join(written, written.claim, folder, stop, desk, backoff or Backoff(most_s=60))
        elif folder.pending() is not None:
            _finish_renewal(Settings.load(config), written.claim, folder, kept, desk, try_out)
        if kept is None:
            yield None
            return
        _delete_claim(written.iot.private_key)
        yield Settings.load(config)


def renew(
    config: Path, *, desk: OpenDesk = aws_desk, try_out: TryOut = connect
) -> tuple[Kept, Kept]:
    """Make a new key and get a certificate for it; give what the device was, and what it is now.

    The device takes the new one when it has connected with it. The old one stays valid: AWS IoT
    does not tell with which of two certificates a thing is connected, and who revoked the old one
    too early would have locked the device out. So an operator does it, afterwards.

    Raises:
        ConfigError: The device is none of a fleet's, or something the operator must mend.
        TransportError: There is no connection; the next call goes on where this one ended.
    """
    written = Settings.read(config)
    if written.claim is None:
        raise ConfigError(
            f"{config} has no [claim]: this device's key was made where it was provisioned, so "
            f"./run rotate {written.thing} there, and copy the folder anew"
        )
    settings = Settings.load(config)
    folder = IdentityFolder(config.absolute().parent / FOLDER)
    with folder.lock():
        old = folder.current()
        assert old is not None  # noqa: S101 - else `load` had raised
        return old, _renew(settings, written.claim, folder, old, desk, try_out)


def renewed(old: Kept, new: Kept) -> str:
    """Say what a renewal came to, and what is left to the operator."""
    return (
        f"{new.thing} has a new key and certificate {new.certificate_id[:12]}; the old one "
        f"{old.certificate_id[:12]} stays valid until ./run revoke {old.thing} --old"
    )


def _join(
    settings: Settings,
    claim: ClaimSettings,
    folder: IdentityFolder,
    stop: threading.Event,
    desk: OpenDesk,
    backoff: Backoff,
) -> Kept | None:
    from device.joining.claim import obtain  # brings in cryptography, which no other start needs

    serial = claim.serial or serial_number.read()
    log.info("serial number %s joins the fleet by %s", serial, claim.template)
    while not stop.is_set():
        try:
            with desk(settings.iot, claim_client_id(serial), claim.template) as open_desk:
                kept = obtain(open_desk, folder, serial)
        except ConfigError as err:
            raise ConfigError(
                f"serial number {serial} cannot join the fleet with the claim "
                f"{settings.iot.certificate}: {err}"
            ) from err
        except TransportError as err:
            wait_s = backoff.failed()
            log.warning("%s (not in the fleet yet; trying again in %.0f s)", err, wait_s)
            stop.wait(wait_s)
            continue
        folder.commit(kept)
        log.info("this device is %s now, certificate %s", kept.thing, kept.certificate_id[:12])
        return kept
    return None


def _finish_renewal(
    settings: Settings,
    claim: ClaimSettings,
    folder: IdentityFolder,
    kept: Kept,
    desk: OpenDesk,
    try_out: TryOut,
) -> None:
    """Go on with what a crash interrupted: the old certificate may be revoked any time now."""
    try:
        _renew(settings, claim, folder, kept, desk, try_out)
    except SightlineError as err:
        log.warning("the certificate is not renewed yet: %s (going on with the old one)", err)


def _renew(
    settings: Settings,
    claim: ClaimSettings,
    folder: IdentityFolder,
    old: Kept,
    desk: OpenDesk,
    try_out: TryOut,
) -> Kept:
    from device.joining.claim import obtain

    new = _registered(settings, folder, old, try_out)
    if new is None:
        with desk(settings.iot, old.thing, claim.template) as open_desk:
            new = obtain(open_desk, folder, old.serial)
        try_out(_as(settings.iot, new), new.thing)
    folder.commit(new)
    log.info("certificate %s takes the place of %s", new.certificate_id[:12], old.certificate_id)
    return new


def _registered(
    settings: Settings, folder: IdentityFolder, old: Kept, try_out: TryOut
) -> Kept | None:
    """Give the certificate that is under way if the broker takes it: then all but this was done."""
    pending = folder.pending()
    if pending is None:
        return None
    staged = folder.stage(pending, thing=old.thing, serial=old.serial)
    try:
        try_out(_as(settings.iot, staged), staged.thing)
    except SightlineError:
        return None
    return staged


def _as(settings: IotSettings, kept: Kept) -> IotSettings:
    return dataclasses.replace(settings, certificate=kept.certificate, private_key=kept.private_key)


def _delete_claim(key: Path) -> None:
    try:
        key.unlink()
    except FileNotFoundError:
        return
    except OSError as err:
        log.warning("%s cannot be deleted (%s); delete the fleet's key yourself", key, err.strerror)
        return
    log.info("deleted the fleet's key %s: this device has its own", key)
