"""Give a camera or an operator its identity: thing, certificate, and a folder that is ready."""

import contextlib
import shutil
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from infra import certificates
from infra.account import error_code, translated
from infra.certificates import Certificate
from infra.deploy import Say
from infra.packaging import PROJECT
from infra.private_key import write_private
from infra.target import Endpoints, Target
from sightline.errors import ConfigError, MessageError
from sightline.topics import check_device

FORMS = PROJECT / "certs_template"
OPERATOR_CLIENTS = "sightline-operator-"  # what OperatorPolicy lets connect
_CERTIFICATE, _KEY, _CA = "certificate.pem", "private.key", "ca.pem"
_FILES = {_CERTIFICATE, _KEY, _CA, "device.toml", "operator.toml"}


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
    renew: bool = False,
    say: Say,
) -> Provisioned:
    """Make a thing's identity and the folder to copy to the device.

    Args:
        thing: The device's name, in topics and keys.
        target: The stack it belongs to.
        folder: Must not exist, unless *renew*.
        camera: The settings' camera source.
        renew: Replace the folder by one with a new key and certificate, and revoke the old one.
        say: Told what happens.

    Raises:
        ConfigError: The name or the folder cannot be, or AWS IoT refuses; nothing is left behind.
        TransportError: AWS is out of reach.
    """
    _check_thing(thing)
    old = _old_certificate(folder, renew=renew)
    iot, endpoints = target.client("iot"), target.endpoints()
    with (
        translated(f"provisioning {thing}"),
        _thing(target, thing, say),
        certificates.issued(iot, thing, target.output("DevicePolicy")) as certificate,
    ):
        iot.attach_thing_principal(thingName=thing, principal=certificate.arn)
        values = _device_values(target, endpoints, thing=thing, camera=camera)
        made = _write_folder(folder, certificate, endpoints, "device.toml", values)
    say(f"{thing}: certificate {certificate.id[:12]}, folder {folder}")
    _revoke_old(target, old, say)
    return made


def provision_operator(
    *, target: Target, folder: Path, name: str = "operator", renew: bool = False, say: Say
) -> Provisioned:
    """Make an operator's certificate, for `listen` and `publish`.

    Raises:
        ConfigError: The folder cannot be, or AWS IoT refuses; nothing is left behind.
        TransportError: AWS is out of reach.
    """
    old = _old_certificate(folder, renew=renew)
    iot, endpoints = target.client("iot"), target.endpoints()
    with (
        translated("provisioning an operator"),
        certificates.issued(iot, name, target.output("OperatorPolicy")) as certificate,
    ):
        values = {"client_id_prefix": OPERATOR_CLIENTS, **_places(endpoints)}
        made = _write_folder(folder, certificate, endpoints, "operator.toml", values)
    say(f"operator: certificate {certificate.id[:12]}, folder {folder}")
    _revoke_old(target, old, say)
    return made


def deprovision(thing: str, *, target: Target, folder: Path | None = None, say: Say) -> None:
    """Revoke every certificate of a thing, delete the thing, and its folder if given.

    Raises:
        ConfigError: There is no such thing, or AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    _check_thing(thing)
    iot = target.client("iot")
    with translated(f"deprovisioning {thing}"):
        try:
            principals = iot.list_thing_principals(thingName=thing)["principals"]
        except ClientError as err:
            if error_code(err) == "ResourceNotFoundException":
                raise ConfigError(f"there is no thing {thing}") from err
            raise
        for arn in principals:
            certificates.revoke(iot, arn)
            say(f"{thing}: certificate {arn.rpartition('/')[2][:12]} revoked")
        certificates.once_detached(lambda: iot.delete_thing(thingName=thing))
    if folder is not None and folder.is_dir():
        _remove_folder(folder)
    say(f"{thing} is gone")


def _check_thing(thing: str) -> None:
    try:
        check_device(thing)
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
        others = len(iot.list_thing_principals(thingName=thing)["principals"])
        if others:
            say(f"{thing} has {others} certificate(s) already; they stay valid unless renewed")
        yield
        return
    iot.create_thing(thingName=thing)
    try:
        yield
    except BaseException:
        certificates.once_detached(lambda: iot.delete_thing(thingName=thing))
        raise


def _device_values(
    target: Target, endpoints: Endpoints, *, thing: str, camera: str
) -> dict[str, str]:
    return {
        "thing": thing,
        "region": target.account.region,
        "bucket": target.output("MediaBucket"),
        "role_alias": target.output("RoleAlias"),
        "camera": camera,
        **_places(endpoints),
    }


def _places(endpoints: Endpoints) -> dict[str, str]:
    return {
        "iot_endpoint": endpoints.mqtt_host,
        "iot_port": str(endpoints.mqtt_port),
        "credentials_endpoint": endpoints.credentials,
        "s3_endpoint": endpoints.s3 or "",
    }


def _old_certificate(folder: Path, *, renew: bool) -> str | None:
    """Return the id of the certificate that is to be replaced."""
    if not folder.exists():
        return None
    if not renew:
        raise ConfigError(
            f"{folder} is there already, and may hold the only copy of a key; choose another "
            "folder, or replace it with --renew"
        )
    _check_ours(folder)
    path = folder / _CERTIFICATE
    try:
        return certificates.certificate_id(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as err:
        raise ConfigError(f"{path} is no certificate; delete the folder {folder}") from err


def _check_ours(folder: Path) -> None:
    """Refuse to delete what provisioning did not write."""
    strange = sorted({path.name for path in folder.iterdir()} - _FILES)
    if strange:
        raise ConfigError(f"{folder} holds more than a device's files: {', '.join(strange)}")


def _remove_folder(folder: Path) -> None:
    _check_ours(folder)
    shutil.rmtree(folder)


def _revoke_old(target: Target, old: str | None, say: Say) -> None:
    """Last: until the new folder is complete the old certificate is all the device has."""
    if old is None:
        return
    iot = target.client("iot")
    with translated(f"revoking the old certificate {old[:12]}"):
        try:
            found = iot.describe_certificate(certificateId=old)["certificateDescription"]
        except ClientError as err:
            if error_code(err) == "ResourceNotFoundException":
                return
            raise
        certificates.revoke(iot, found["certificateArn"])
    say(f"the old certificate {old[:12]} is revoked")


def _write_folder(
    folder: Path,
    certificate: Certificate,
    endpoints: Endpoints,
    form: str,
    values: Mapping[str, str],
) -> Provisioned:
    """Write a whole folder beside *folder*, then put it in its place."""
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # of one that was killed
        new.mkdir(parents=True, mode=0o700)
        new.chmod(0o700)
        write_private(new / _KEY, certificate.key_pem)
        for name, text in (
            (_CERTIFICATE, certificate.pem),
            (_CA, endpoints.ca_pem),
            (form, _fill(FORMS / form, values)),
        ):
            (new / name).write_text(text, encoding="utf-8")
            (new / name).chmod(0o644)
        if folder.exists():
            _remove_folder(folder)
        new.rename(folder)
    except OSError as err:
        shutil.rmtree(new, ignore_errors=True)
        raise ConfigError(f"cannot write the folder {folder}: {err.strerror}") from err
    return Provisioned(folder=folder, settings=folder / form, certificate_id=certificate.id)


def _fill(form: Path, values: Mapping[str, str]) -> str:
    """Fill in a form of certs_template/; a line whose value is empty is left out."""
    quoted = {k: v.replace("\\", "\\\\").replace('"', '\\"') for k, v in values.items()}
    lines = []
    for line in form.read_text(encoding="utf-8").splitlines():
        form_line = string.Template(line)
        names = form_line.get_identifiers()
        if names and not any(values[name] for name in names):
            continue
        lines.append(form_line.substitute(quoted))
    return "\n".join(lines) + "\n"
