"""The folder that is copied to a device: written whole beside its place, then put there."""

import shutil
import string
from collections.abc import Mapping
from pathlib import Path

from infra.packaging import PROJECT
from infra.provisioning.private_key import write_private
from infra.target import Endpoints, Target
from sightline.errors import ConfigError

FORMS = PROJECT / "certs_template"
CERTIFICATE, KEY, CA = "certificate.pem", "private.key", "ca.pem"
CLAIM_CERTIFICATE, CLAIM_KEY = "claim.pem", "claim.key"
SETTINGS = "device.toml"

_PRIVATE = {KEY, CLAIM_KEY}
_OURS = {CERTIFICATE, KEY, CA, CLAIM_CERTIFICATE, CLAIM_KEY, SETTINGS, "operator.toml"}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write *files* beside *folder*, then put them in its place; keys are for their owner alone.

    Raises:
        ConfigError: The folder cannot be written, or holds more than we ever put there.
    """
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # of one that was killed
        new.mkdir(parents=True, mode=0o700)
        new.chmod(0o700)
        for name, content in files.items():
            if name in _PRIVATE:
                write_private(new / name, content)
            else:
                (new / name).write_bytes(content)
                (new / name).chmod(0o644)
        if folder.exists():
            remove(folder)
        new.rename(folder)
    except OSError as err:
        shutil.rmtree(new, ignore_errors=True)
        raise ConfigError(f"cannot write the folder {folder}: {err.strerror}") from err


def check_ours(folder: Path) -> None:
    """Refuse to delete what provisioning did not write.

    Raises:
        ConfigError: There is more in it.
    """
    strange = sorted({path.name for path in folder.iterdir()} - _OURS)
    if strange:
        raise ConfigError(f"{folder} holds more than a device's files: {', '.join(strange)}")


def remove(folder: Path) -> None:
    """Delete a folder of ours.

    Raises:
        ConfigError: There is more in it than we ever put there.
    """
    check_ours(folder)
    shutil.rmtree(folder)


def fill(form: str, values: Mapping[str, str]) -> bytes:
    """Fill in a form of certs_template/; a line whose value is empty is left out."""
    quoted = {k: v.replace("\\", "\\\\").replace('"', '\\"') for k, v in values.items()}
    lines = []
    for line in (FORMS / form).read_text(encoding="utf-8").splitlines():
        form_line = string.Template(line)
        names = form_line.get_identifiers()
        if names and not any(values[name] for name in names):
            continue
        lines.append(form_line.substitute(quoted))
    return ("\n".join(lines) + "\n").encode()


def device_values(target: Target, endpoints: Endpoints, *, camera: str) -> dict[str, str]:
    """What every device's settings say of the stack."""
    return {
        "region": target.account.region,
        "bucket": target.output("MediaBucket"),
        "role_alias": target.output("RoleAlias"),
        "frames_rule": frames_rule(target),
        "camera": camera,
        **places(endpoints),
    }


def frames_rule(target: Target) -> str:
    """The rule that devices publish to past the broker; empty unless that is switched on."""
    return target.output("FramesRule") if target.outputs.get("BasicIngest") == "true" else ""


def places(endpoints: Endpoints) -> dict[str, str]:
    """Where to connect to."""
    return {
        "iot_endpoint": endpoints.mqtt_host,
        "iot_port": str(endpoints.mqtt_port),
        "credentials_endpoint": endpoints.credentials,
        "s3_endpoint": endpoints.s3 or "",
    }
