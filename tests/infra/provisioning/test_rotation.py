"""New keys for devices provisioned by hand, and rights taken back, on a registry that is one."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from infra.provision import provision
from infra.provisioning.certificates import active_of, certificate_id
from infra.provisioning.rotation import revoke, revoke_old, rotate
from infra.target import Target
from sightline.errors import ConfigError

pytestmark = pytest.mark.stack


def silent(_: str) -> None: ...


def active(target: Target, thing: str) -> list[str]:
    return [each.id for each in active_of(target.client("iot"), thing)]


def test_a_rotated_folder_has_a_new_key_and_the_old_certificate_stays_valid(
    target: Target, tmp_path: Path
) -> None:
    old = provision("rotated", target=target, folder=tmp_path / "d", say=silent)
    key = (old.folder / "private.key").read_bytes()
    said: list[str] = []

    new = rotate("rotated", target=target, folder=old.folder, say=said.append)

    assert active(target, "rotated") == [new.certificate_id, old.certificate_id]
    pem = (new.folder / "certificate.pem").read_bytes()
    made = (new.folder / "private.key").read_bytes()
    assert certificate_id(pem) == new.certificate_id
    assert made != key
    loaded = serialization.load_pem_private_key(made, None)
    assert x509.load_pem_x509_certificate(pem).public_key() == loaded.public_key()
    assert said[-1].endswith("./run revoke rotated --old")
    assert (new.folder / "private.key").stat().st_mode & 0o777 == 0o600


def test_a_rotation_keeps_the_settings_as_somebody_edited_them(
    target: Target, tmp_path: Path
) -> None:
    made = provision("edited", target=target, folder=tmp_path / "d", say=silent)
    made.settings.write_text(
        made.settings.read_text().replace("interval_s = 0.5", "interval_s = 9")
    )

    rotate("edited", target=target, folder=made.folder, say=silent)

    assert "interval_s = 9" in made.settings.read_text()


def test_the_old_one_goes_at_once_if_it_is_told_to(target: Target, tmp_path: Path) -> None:
    old = provision("at-once", target=target, folder=tmp_path / "d", say=silent)
    said: list[str] = []

    new = rotate("at-once", target=target, folder=old.folder, revoke_old=True, say=said.append)

    assert active(target, "at-once") == [new.certificate_id]
    assert said[-1] == f"the old certificate {old.certificate_id[:12]} is revoked"


def test_the_old_ones_go_later_and_the_newest_stays(target: Target, tmp_path: Path) -> None:
    made = provision("later", target=target, folder=tmp_path / "d", say=silent)
    rotate("later", target=target, folder=made.folder, say=silent)
    newest = rotate("later", target=target, folder=made.folder, say=silent)
    said: list[str] = []

    revoke_old("later", target=target, say=said.append)
    revoke_old("later", target=target, say=said.append)

    assert active(target, "later") == [newest.certificate_id]
    assert said[-2] == f"later keeps certificate {newest.certificate_id[:12]}"
    assert said[-1] == f"later has one certificate, {newest.certificate_id[:12]}, and no old one"


def test_a_revoked_device_keeps_its_thing_and_no_certificate_that_is_valid(
    target: Target, tmp_path: Path
) -> None:
    made = provision("outcast", target=target, folder=tmp_path / "d", say=silent)
    iot = target.client("iot")

    revoke("outcast", target=target, say=silent)
    said: list[str] = []
    revoke("outcast", target=target, say=said.append)

    found = iot.describe_certificate(certificateId=made.certificate_id)
    assert found["certificateDescription"]["status"] == "REVOKED"
    assert iot.describe_thing(thingName="outcast")["thingName"] == "outcast"
    assert "outcast has no certificate that is valid" in said


def test_a_revoked_device_comes_back_with_a_new_key(target: Target, tmp_path: Path) -> None:
    made = provision("back", target=target, folder=tmp_path / "d", say=silent)
    revoke("back", target=target, say=silent)

    new = rotate("back", target=target, folder=made.folder, say=silent)

    assert active(target, "back") == [new.certificate_id]


def test_a_thing_that_has_another_certificate_is_said_to(target: Target, tmp_path: Path) -> None:
    provision("twice", target=target, folder=tmp_path / "one", say=silent)
    said: list[str] = []

    provision("twice", target=target, folder=tmp_path / "two", say=said.append)

    assert said[0] == (
        "twice has 1 certificate(s) already, which stay valid; when the device has connected with "
        "the new one: ./run revoke twice --old"
    )


def test_what_cannot_be_rotated_is_named(target: Target, tmp_path: Path) -> None:
    made = provision("named", target=target, folder=tmp_path / "d", say=silent)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "device.toml").write_text('thing = "named"')
    (damaged / "certificate.pem").write_text("none")
    before = active(target, "named")

    for thing, folder, said in (
        ("named", tmp_path / "none", "--rotate"),
        ("other", made.folder, "is of 'named', not of 'other'"),
        ("named", damaged, "no device's folder any more"),
        ("a/b", made.folder, "no thing can be called that"),
        ("sightline-claim-1", made.folder, "is for claims"),
    ):
        with pytest.raises(ConfigError, match=said):
            rotate(thing, target=target, folder=folder, say=silent)
    (made.folder / "diary.txt").touch()
    with pytest.raises(ConfigError, match=r"diary\.txt"):
        rotate("named", target=target, folder=made.folder, say=silent)
    assert active(target, "named") == before


def test_a_thing_that_is_not_there_is_said_so(target: Target, tmp_path: Path) -> None:
    for take in (revoke, revoke_old):
        with pytest.raises(ConfigError, match="there is no thing nobody"):
            take("nobody", target=target, say=silent)
