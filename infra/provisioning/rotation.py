"""New keys for devices, and rights taken back.

AWS IoT does not tell with which of two certificates a thing is connected. So an old one is not
revoked when a new one is made, which would lock out a device that has not got it yet, but when an
operator says that the device has connected with the new one.
"""

import tomllib
from pathlib import Path

from botocore.exceptions import ClientError

from infra.account import error_code, translated
from infra.deploy import Say
from infra.provision import Provisioned, check_thing, describe_thing, identity_files
from infra.provisioning import certificates, device_folder
from infra.provisioning.device_folder import CERTIFICATE, SETTINGS
from infra.provisioning.serials import SerialList
from infra.target import Target
from sightline.errors import ConfigError


def rotate(
    thing: str, *, target: Target, folder: Path, revoke_old: bool = False, say: Say
) -> Provisioned:
    """Put a new key and certificate into a device's folder; its settings stay as they are.

    Args:
        thing: The device's name.
        target: The stack it belongs to.
        folder: As `provision` made it.
        revoke_old: Revoke the certificate that the folder had; else it stays valid.
        say: Told what happens.

    Raises:
        ConfigError: There is no such thing, the folder is not its, or AWS IoT refuses; the folder
            is as it was.
        TransportError: AWS is out of reach.
    """
    check_thing(thing)
    settings, old = _read_folder(thing, folder)
    iot, endpoints = target.client("iot"), target.endpoints()
    with translated(f"rotating the key of {thing}"):
        describe_thing(iot, thing)
        with certificates.issued(iot, thing, target.output("DevicePolicy")) as certificate:
            iot.attach_thing_principal(thingName=thing, principal=certificate.arn)
            files = identity_files(certificate, endpoints) | {SETTINGS: settings}
            device_folder.write(folder, files)
        say(f"{thing}: new certificate {certificate.id[:12]}, folder {folder}")
        if revoke_old:
            _revoke(target, old, say)
        else:
            say(
                f"the old certificate {old[:12]} stays valid; when the device has connected with "
                f"the new one: ./run revoke {thing} --old"
            )
    return Provisioned(folder=folder, settings=folder / SETTINGS, certificate_id=certificate.id)


def revoke(thing: str, *, target: Target, say: Say) -> None:
    """Take a device's right away: it is thrown out, and cannot come back. The thing stays.

    Raises:
        ConfigError: There is no such thing, or AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    check_thing(thing)
    iot = target.client("iot")
    with translated(f"revoking the certificates of {thing}"):
        found = describe_thing(iot, thing)
        active = certificates.active_of(iot, thing)
        for each in active:
            certificates.shut_out(iot, each.id)
            say(f"{thing}: certificate {each.id[:12]} is revoked")
    if not active:
        say(f"{thing} has no certificate that is valid")
    serial = found.get("attributes", {}).get("serial")
    if serial:
        say(f"its serial number {serial} cannot join again unless you ./run serials release it")
    say(f"{thing} is shut out; ./run deprovision {thing} deletes it")


def revoke_old(thing: str, *, target: Target, say: Say) -> None:
    """Revoke and delete every certificate of a device but the newest.

    Of a device of the fleet, which makes its certificates itself, the one that it was admitted with
    last is kept.

    Raises:
        ConfigError: There is no such thing, or AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    check_thing(thing)
    iot = target.client("iot")
    with translated(f"revoking the old certificates of {thing}"):
        serial = describe_thing(iot, thing).get("attributes", {}).get("serial")
        active = certificates.active_of(iot, thing)
        bound = SerialList.of(target).certificate_of(serial) if serial else None
        kept = next((each for each in active if each.id == bound), active[0] if active else None)
        old = [each for each in active if each != kept]
        for each in old:
            certificates.revoke(iot, each.arn)
            say(f"{thing}: the old certificate {each.id[:12]} is revoked")
    if kept is None:
        say(f"{thing} has no certificate that is valid")
    elif not old:
        say(f"{thing} has one certificate, {kept.id[:12]}, and no old one")
    else:
        say(f"{thing} keeps certificate {kept.id[:12]}")


def _read_folder(thing: str, folder: Path) -> tuple[bytes, str]:
    """Give a folder's settings and the id of its certificate."""
    path = folder / SETTINGS
    try:
        settings, pem = path.read_bytes(), (folder / CERTIFICATE).read_bytes()
        named = tomllib.loads(settings.decode()).get("thing")
        device_folder.check_ours(folder)
        old = certificates.certificate_id(pem)
    except (FileNotFoundError, NotADirectoryError) as err:
        raise ConfigError(
            f"{err.filename}: no such file; rotate a device where the folder is that it was "
            "provisioned with. One of a fleet made its own key: there, "
            "python -m device --config device.toml --rotate"
        ) from err
    except (ValueError, UnicodeDecodeError) as err:
        raise ConfigError(
            f"{folder} is no device's folder any more ({err}); provision {thing} into another"
        ) from err
    if named != thing:
        raise ConfigError(f"{path} is of {named!r}, not of {thing!r}")
    return settings, old


def _revoke(target: Target, certificate: str, say: Say) -> None:
    """Last: until the new folder is complete the old certificate is all the device has."""
    iot = target.client("iot")
    try:
        found = iot.describe_certificate(certificateId=certificate)["certificateDescription"]
    except ClientError as err:
        if error_code(err) == "ResourceNotFoundException":
            return
        raise
    certificates.revoke(iot, found["certificateArn"])
    say(f"the old certificate {certificate[:12]} is revoked")
