"""Give a camera or an operator its identity: thing, certificate, and a folder that is ready."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.account import error_code, translated
from infra.deploy import Say
from infra.provisioning import certificates, device_folder
from infra.provisioning.certificates import Certificate
from infra.provisioning.device_folder import CA, CERTIFICATE, KEY, SETTINGS
from infra.target import Endpoints, Target
from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_thing as check_name

OPERATOR_CLIENTS = "sightline-operator-"  # what OperatorPolicy lets connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What was made."""

    folder: Path
    settings: Path  # what `--config` wants
    certificate_id: str


def provision(
    thing: str,
    *,
    target: Target,
    folder: Path,
    camera: str = "picamera2",
    say: Say,
) -> Provisioned:
    """Make a thing's identity and the folder to copy to the device.

    Args:
        thing: The device's name, in topics and keys.
        target: The stack it belongs to.
        folder: Must not exist.
        camera: The settings' camera source.
        say: Told what happens.

    Raises:
        ConfigError: The name or the folder cannot be, or AWS IoT refuses; nothing is left behind.
        TransportError: AWS is out of reach.
    """
    check_thing(thing)
    _check_new(folder, f"; ./run rotate {thing} gives it a new key and certificate")
    iot, endpoints = target.client("iot"), target.endpoints()
    with (
        translated(f"provisioning {thing}"),
        _thing(target, thing, say),
        certificates.issued(iot, thing, target.output("DevicePolicy")) as certificate,
    ):
        iot.attach_thing_principal(thingName=thing, principal=certificate.arn)
        values = device_folder.device_values(target, endpoints, camera=camera) | {"thing": thing}
        settings = device_folder.fill(SETTINGS, values)
        device_folder.write(folder, identity_files(certificate, endpoints) | {SETTINGS: settings})
    say(f"{thing}: certificate {certificate.id[:12]}, folder {folder}")
    return Provisioned(folder=folder, settings=folder / SETTINGS, certificate_id=certificate.id)


def provision_operator(
    *, target: Target, folder: Path, name: str = "operator", say: Say
) -> Provisioned:
    """Make an operator's certificate, for `listen` and `publish`.

    Raises:
        ConfigError: The folder cannot be, or AWS IoT refuses; nothing is left behind.
        TransportError: AWS is out of reach.
    """
    form = "operator.toml"
    _check_new(folder)
    iot, endpoints = target.client("iot"), target.endpoints()
    with (
        translated("provisioning an operator"),
        certificates.issued(iot, name, target.output("OperatorPolicy")) as certificate,
    ):
        values = {"client_id_prefix": OPERATOR_CLIENTS, **device_folder.places(endpoints)}
        settings = device_folder.fill(form, values)
        device_folder.write(folder, identity_files(certificate, endpoints) | {form: settings})
    say(f"operator: certificate {certificate.id[:12]}, folder {folder}")
    return Provisioned(folder=folder, settings=folder / form, certificate_id=certificate.id)


def deprovision(thing: str, *, target: Target, folder: Path | None = None, say: Say) -> None:
    """Revoke every certificate of a thing, delete the thing, and its folder if given.

    Raises:
        ConfigError: There is no such thing, or AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    check_thing(thing)
    iot = target.client("iot")
    with translated(f"deprovisioning {thing}"):
        serial = describe_thing(iot, thing).get("attributes", {}).get("serial")
        for arn in iot.list_thing_principals(thingName=thing)["principals"]:
            certificates.revoke(iot, arn)
            say(f"{thing}: certificate {arn.rpartition('/')[2][:12]} revoked")
        certificates.once_detached(lambda: iot.delete_thing(thingName=thing))
    if folder is not None and folder.is_dir():
        device_folder.remove(folder)
    say(f"{thing} is gone")
    if serial:
        say(
            f"its serial number {serial} stays on the fleet's list as claimed; "
            f"./run serials release {serial} lets it join again"
        )


def describe_thing(iot: Any, thing: str) -> dict[str, Any]:
    """Give what AWS IoT knows of a thing.

    Raises:
        ConfigError: There is no such thing.
    """
    try:
        found: dict[str, Any] = iot.describe_thing(thingName=thing)
    except ClientError as err:
        if error_code(err) == "ResourceNotFoundException":
            raise ConfigError(f"there is no thing {thing}") from err
        raise
    return found


def identity_files(certificate: Certificate, endpoints: Endpoints) -> dict[str, bytes]:
    """Give what a folder holds of an identity, as files."""
    return {
        CERTIFICATE: certificate.pem.encode(),
        KEY: certificate.key_pem,
        CA: endpoints.ca_pem.encode(),
    }


def _check_new(folder: Path, mend: str = "") -> None:
    if folder.exists():
        raise ConfigError(
            f"{folder} is there already, and may hold the only copy of a key; choose another "
            f"folder with --out{mend}"
        )


def check_thing(thing: str) -> None:
    """Refuse what cannot be a device's name.

    Raises:
        ConfigError: *thing* cannot.
    """
    try:
        check_name(thing)
    except MessageError as err:
        raise ConfigError(f"no thing can be called that: {err}") from err


@contextlib.contextmanager
def _thing(target: Target, thing: str, say: Say) -> Iterator[None]:
    """Make the thing if there is none; an error inside deletes one that was made."""
    iot = target.client("iot")
    try:
        iot.describe_thing(thingName=thing)
    except ClientError as err:
        if error_code(err) != "ResourceNotFoundException":
            raise
    else:
        others = len(certificates.active_of(iot, thing))
        if others:
            say(
                f"{thing} has {others} certificate(s) already, which stay valid; when the device "
                f"has connected with the new one: ./run revoke {thing} --old"
            )
        yield
        return
    iot.create_thing(thingName=thing)
    try:
        yield
    except BaseException:
        certificates.once_detached(lambda: iot.delete_thing(thingName=thing))
        raise
