import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from device.settings import Settings
from infra.provision import (
    OPERATOR_CLIENTS,
    deprovision,
    provision,
    provision_operator,
)
from infra.provisioning.certificates import certificate_id
from infra.target import Endpoints, Target, amazon_roots
from sightline.errors import ConfigError

pytestmark = pytest.mark.stack
MODES = {"private.key": 0o600, "certificate.pem": 0o644, "ca.pem": 0o644, "device.toml": 0o644}


def silent(_: str) -> None: ...


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_after_the_template_with_its_modes(target: Target, tmp_path: Path) -> None:
    made = provision("modes", target=target, folder=tmp_path / "new" / "modes", say=silent)

    assert {path.name: mode(path) for path in made.folder.iterdir()} == MODES
    assert mode(made.folder) == 0o700
    assert made.settings == made.folder / "device.toml"


def test_the_agent_takes_the_settings_as_they_are(target: Target, tmp_path: Path) -> None:
    made = provision("ready", target=target, folder=tmp_path / "d", camera="usb:0", say=silent)

    settings = Settings.load(made.settings)

    endpoints = target.endpoints()
    assert settings.thing == "ready"
    assert (settings.iot.endpoint, settings.iot.port) == (endpoints.mqtt_host, endpoints.mqtt_port)
    assert settings.storage.bucket == target.output("MediaBucket")
    assert settings.storage.role_alias == target.output("RoleAlias")
    assert settings.storage.credentials_endpoint == endpoints.credentials
    assert settings.storage.s3_endpoint == endpoints.s3
    assert settings.camera.source == "usb:0"


def test_certificate_and_key_belong_together_and_to_the_thing(
    target: Target, tmp_path: Path
) -> None:
    made = provision("paired", target=target, folder=tmp_path / "d", say=silent)

    pem = (made.folder / "certificate.pem").read_bytes()
    key = serialization.load_pem_private_key((made.folder / "private.key").read_bytes(), None)
    assert x509.load_pem_x509_certificate(pem).public_key() == key.public_key()
    assert certificate_id(pem) == made.certificate_id
    iot = target.client("iot")
    (principal,) = iot.list_thing_principals(thingName="paired")["principals"]
    assert principal.endswith(made.certificate_id)
    (policy,) = iot.list_attached_policies(target=principal)["policies"]
    assert policy["policyName"] == target.output("DevicePolicy")


def test_a_folder_that_is_there_is_not_touched(target: Target, tmp_path: Path) -> None:
    provision("once", target=target, folder=tmp_path / "d", say=silent)
    before = (tmp_path / "d" / "private.key").read_bytes()

    with pytest.raises(ConfigError, match=r"\./run rotate once"):
        provision("once", target=target, folder=tmp_path / "d", say=silent)

    assert (tmp_path / "d" / "private.key").read_bytes() == before


def test_a_failure_leaves_no_certificate_and_no_thing(target: Target, tmp_path: Path) -> None:
    iot = target.client("iot")
    before = len(iot.list_certificates()["certificates"])
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot write the folder"):
        provision("undone", target=target, folder=tmp_path / "file" / "d", say=silent)

    assert len(iot.list_certificates()["certificates"]) == before
    assert "undone" not in [t["thingName"] for t in iot.list_things()["things"]]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "+", "x" * 65])
def test_a_name_that_cannot_be_a_topics_is_refused(
    target: Target, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match="no thing can be called that"):
        provision(name, target=target, folder=tmp_path / "d", say=silent)


def test_what_was_provisioned_can_be_taken_back(target: Target, tmp_path: Path) -> None:
    made = provision("gone", target=target, folder=tmp_path / "d", say=silent)

    deprovision("gone", target=target, folder=made.folder, say=silent)

    iot = target.client("iot")
    assert "gone" not in [t["thingName"] for t in iot.list_things()["things"]]
    ids = [c["certificateId"] for c in iot.list_certificates()["certificates"]]
    assert made.certificate_id not in ids
    assert not made.folder.exists()
    with pytest.raises(ConfigError, match="there is no thing gone"):
        deprovision("gone", target=target, say=silent)


def test_an_operator_gets_a_folder_of_its_own_kind(target: Target, tmp_path: Path) -> None:
    made = provision_operator(target=target, folder=tmp_path / "op", say=silent)

    settings = tomllib.loads(made.settings.read_text())
    assert settings["iot"]["client_id_prefix"] == OPERATOR_CLIENTS
    assert settings["iot"]["port"] == target.endpoints().mqtt_port
    assert mode(made.folder / "private.key") == 0o600


def test_the_line_of_an_empty_value_is_left_out(target: Target, tmp_path: Path) -> None:
    at_aws = Endpoints(mqtt_host="x.iot", mqtt_port=8883, credentials="y.iot", ca_pem="", s3=None)

    class OnAws(Target):
        """A target whose places are AWS's, where there is no endpoint of S3's to give."""

        def endpoints(self) -> Endpoints:
            return at_aws

    target = OnAws(account=target.account, stack=target.stack, outputs=target.outputs)
    made = provision("plain", target=target, folder=tmp_path / "d", say=silent)

    storage = tomllib.loads(made.settings.read_text())["storage"]
    assert "s3_endpoint" not in storage
    assert storage["credentials_endpoint"] == "y.iot"


def test_on_aws_a_device_trusts_amazons_roots() -> None:
    from infra.target import _BUNDLE

    pem = amazon_roots(_BUNDLE.read_text())

    names = [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(pem.encode())]
    assert len(names) == 4
    assert all("Amazon Root CA" in name for name in names)
    with pytest.raises(ConfigError, match="Amazon Root CA"):
        amazon_roots("")


def test_no_key_lies_in_the_template_folder() -> None:
    found = subprocess.run(
        ["git", "ls-files", "certs_template"], capture_output=True, text=True, check=False
    ).stdout.split()

    assert not [name for name in found if name.endswith((".pem", ".key"))]
