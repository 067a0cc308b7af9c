"""One device, as AWS IoT has it: thing, certificate and policy, against the folder it was given."""

from pathlib import Path

from botocore.exceptions import ClientError

from device.doctor.finding import Examination, Finding, fault, given, ok, warning
from device.settings import Settings
from infra.account import error_code, translated
from infra.provisioning import certificates
from infra.target import Target
from sightline.errors import ConfigError

CHECKS = ("folder", "thing", "certificate", "policy")


def examine(examination: Examination, where: Target, folder: Path) -> None:
    """Check the device whose folder this is."""
    settings = examination.obtain(
        "folder",
        lambda: Settings.load(folder / "device.toml"),
        lambda found: _folder(where, folder, found),
    )
    examination.check("thing", lambda: _thing(where, given(settings)), needs=["folder"])
    arn = examination.obtain(
        "certificate",
        lambda: _arn(where, given(settings)),
        lambda found: _certificate(where, given(settings), found),
        needs=["folder", "thing"],
    )
    examination.check("policy", lambda: _policy(where, given(arn)), needs=["certificate"])


def _folder(where: Target, folder: Path, settings: Settings) -> Finding:
    endpoints = where.endpoints()
    expected = {
        "[iot] endpoint": (settings.iot.endpoint, endpoints.mqtt_host),
        "[iot] port": (settings.iot.port, endpoints.mqtt_port),
        "[storage] bucket": (settings.storage.bucket, where.output("MediaBucket")),
        "[storage] role_alias": (settings.storage.role_alias, where.output("RoleAlias")),
        "[storage] region": (settings.storage.region, where.account.region),
        "[storage] credentials_endpoint": (
            settings.storage.credentials_endpoint,
            endpoints.credentials,
        ),
    }
    other = [f"{key} is {has}, not {is_}" for key, (has, is_) in expected.items() if has != is_]
    if other:
        return fault(
            f"{folder / 'device.toml'} is of another stack: {', '.join(other)}",
            "set them so, or provision the device anew",
        )
    return ok(f"{folder}: {settings.thing}, with this stack's endpoints")


def _thing(where: Target, settings: Settings) -> Finding:
    with translated(f"reading the thing {settings.thing}"):
        try:
            where.client("iot").describe_thing(thingName=settings.thing)
        except ClientError as err:
            if error_code(err) != "ResourceNotFoundException":
                raise
            return fault(f"there is no thing {settings.thing}", "provision the device anew")
    return ok(settings.thing)


def _arn(where: Target, settings: Settings) -> str:
    path = settings.iot.certificate
    try:
        id_ = certificates.certificate_id(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path} is no certificate; provision the device anew") from err
    with translated(f"reading the certificate {id_[:12]}"):
        try:
            found = where.client("iot").describe_certificate(certificateId=id_)
        except ClientError as err:
            if error_code(err) != "ResourceNotFoundException":
                raise
            raise ConfigError(
                f"AWS IoT does not know the certificate {id_[:12]} of {path}; is this the right "
                "account and region? Else provision the device anew"
            ) from err
    return str(found["certificateDescription"]["certificateArn"])


def _certificate(where: Target, settings: Settings, arn: str) -> Finding:
    iot, id_ = where.client("iot"), arn.rpartition("/")[2]
    with translated(f"reading the certificate {id_[:12]}"):
        status = iot.describe_certificate(certificateId=id_)["certificateDescription"]["status"]
        things = iot.list_principal_things(principal=arn)["things"]
        others = len(iot.list_thing_principals(thingName=settings.thing)["principals"]) - 1
    if status != "ACTIVE":
        return fault(f"{id_[:12]} is {status}", "provision the device anew")
    if settings.thing not in things:
        return fault(
            f"{id_[:12]} is attached to {', '.join(things) or 'no thing'}, not {settings.thing}",
            f"`aws iot attach-thing-principal --thing-name {settings.thing} --principal {arn}`",
        )
    if others > 0:
        return warning(
            f"{id_[:12]} is ACTIVE, and {settings.thing} has {others} more",
            "revoke those that no device uses any more",
        )
    return ok(f"{id_[:12]} is ACTIVE, and {settings.thing}'s")


def _policy(where: Target, arn: str) -> Finding:
    wanted = where.output("DevicePolicy")
    with translated("reading the certificate's policies"):
        attached = where.client("iot").list_attached_policies(target=arn)["policies"]
    names = sorted(each["policyName"] for each in attached)
    if wanted not in names:
        return fault(
            f"the certificate has {', '.join(names) or 'no policy'}, not {wanted}",
            f"`aws iot attach-policy --policy-name {wanted} --target {arn}`",
        )
    return ok(", ".join(names))
