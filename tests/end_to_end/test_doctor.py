"""What a device's doctor finds, and the mend it names, when each of its needs is really broken."""

import contextlib
import datetime
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run as run_process
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.__main__ import camera_of
from device.clock import utc_now
from device.doctor.examine import CHECKS, Options, examine
from device.doctor.finding import Examination, Finding
from device.settings import Settings
from infra.local.ports import free_port
from infra.packaging import PROJECT
from infra.target import Target
from tests.end_to_end.actors import DATA, Agent, Device

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
DAY = datetime.timedelta(days=1)


def examined(
    device: Device, *, ahead: datetime.timedelta = datetime.timedelta(0), answer_s: float = 30
) -> dict[str, Finding]:
    """Examine a device, by a clock that is *ahead*; its findings by check."""
    options = Options(
        camera=str(DATA),
        camera_of=camera_of,
        now=lambda: utc_now() + ahead,
        answer_s=answer_s,
    )
    found: Examination = examine(device.settings, options, lambda _: None)
    assert [finding.check for finding in found.findings] == list(CHECKS)
    assert found.sound == (not [each for each in found.findings if each.state == "fault"])
    return {finding.check: finding for finding in found.findings}


def faults(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if finding.state == "fault"]


def not_tried(found: dict[str, Finding]) -> dict[str, str]:
    return {name: each.said for name, each in found.items() if each.state == "not tried"}


def certificate_of(subject: str, until: datetime.datetime) -> tuple[bytes, bytes]:
    """A certificate that nobody but itself has signed, and its key; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - 30 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@contextlib.contextmanager
def disabled_rule(target: Target) -> Iterator[None]:
    iot, name = target.client("iot"), f"{target.stack}_frames"
    iot.disable_topic_rule(ruleName=name)
    try:
        yield
    finally:
        iot.enable_topic_rule(ruleName=name)


def test_a_healthy_device_is_found_so_and_the_frames_stages_are_told(device: MakeDevice) -> None:
    made = device()

    found = examined(made)

    assert {name: each.state for name, each in found.items() if each.state != "ok"} == {}
    timings = found["round trip"].timings_ms
    assert {"publish", "queue", "fetch", "decode", "detect", "store", "total"} <= set(timings)
    assert all(0 <= took <= timings["total"] + 1 for took in timings.values())
    assert "512x" in found["camera"].said
    assert found["credentials"].timings_ms["connect"] >= 0


def test_what_it_puts_is_a_frame_of_its_own_that_is_served_as_any(
    device: MakeDevice, target: Target
) -> None:
    made = device()

    key = examined(made)["upload"].said.split()[1]

    assert key.startswith(f"frames/{made.thing}/")
    bucket = target.output("MediaBucket")
    body = target.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert body[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_a_line_each_and_tells_by_its_status(
    device: MakeDevice, as_json: bool
) -> None:
    made = device()
    words = ["--config", str(made.settings), "--camera", str(made.folder / "nothing"), "--doctor"]
    done = run_process(
        [sys.executable, "-m", "device", *words, *(["--json"] if as_json else [])],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    if as_json:
        told = json.loads(done.stdout)
        assert told["sound"] is False
        states = {each["check"]: each["state"] for each in told["findings"]}
        assert states == {name: "fault" if name == "camera" else "ok" for name in CHECKS}
    else:
        *lines, last = done.stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["ok"] * (len(CHECKS) - 1) + ["fault"]
        assert last == f"1 fault, {len(CHECKS) - 1} ok"


def test_settings_that_are_not_there_leave_all_else_untried(tmp_path: Path) -> None:
    nowhere = Device(thing="door", folder=tmp_path, settings=tmp_path / "device.toml")

    found = examined(nowhere)

    assert "no such file" in found["settings"].said
    assert faults(found) == ["settings"]
    assert set(not_tried(found)) == set(CHECKS) - {"settings"}


def test_a_wrong_authority_is_told(device: MakeDevice) -> None:
    made = device()
    (made.folder / "ca.pem").write_bytes(certificate_of("another", utc_now() + DAY)[0])

    found = examined(made)

    assert "is not from the authority in" in found["tls"].said
    assert "set [iot] ca" in found["tls"].mend
    assert "is not from the authority in" in found["role alias"].said
    assert faults(found) == ["tls", "role alias"]
    assert not_tried(found)["connect"] == "since tls failed"
    assert not_tried(found)["round trip"] == "since subscribe failed"


def test_a_revoked_certificate_is_told(device: MakeDevice, target: Target) -> None:
    made = device()
    (arn,) = target.client("iot").list_thing_principals(thingName=made.thing)["principals"]
    target.client("iot").update_certificate(
        certificateId=arn.rpartition("/")[2], newStatus="REVOKED"
    )

    found = examined(made)

    [first, *rest] = faults(found)
    assert first in ("tls", "connect")
    assert re.search(r"not (to )?know .*, or that was revoked or deactivated", found[first].said)
    assert "`./run doctor`" in found[first].mend
    assert "provision the device anew" in found[first].mend
    assert rest == ["role alias"]
    assert "gives thing" in found["role alias"].said


def test_an_expired_certificate_is_told_and_nothing_tried_with_it(device: MakeDevice) -> None:
    made = device()
    pem, key = certificate_of(made.thing, utc_now() - DAY)
    (made.folder / "certificate.pem").write_bytes(pem)
    (made.folder / "private.key").write_bytes(key)

    found = examined(made)

    assert "it expired on" in found["certificate"].said
    assert "provision the device anew" in found["certificate"].mend
    assert "timedatectl" in found["certificate"].mend
    assert faults(found) == ["certificate"]
    assert not_tried(found)["tls"] == not_tried(found)["role alias"] == "since certificate failed"
    assert found["broker"].state == found["clock"].state == found["camera"].state == "ok"


def test_a_certificate_that_ends_soon_is_a_warning(device: MakeDevice) -> None:
    made = device()
    pem, key = certificate_of(made.thing, utc_now() + 3 * DAY)
    (made.folder / "certificate.pem").write_bytes(pem)
    (made.folder / "private.key").write_bytes(key)

    found = examined(made)["certificate"]

    assert found.state == "warning"
    assert "2 days" in found.said


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [
        (datetime.timedelta(seconds=30), "warning", "s ahead"),
        (datetime.timedelta(hours=3), "fault", "3 h ahead"),
        (datetime.timedelta(days=-400), "fault", "400 days behind"),
    ],
)
def test_a_wrong_clock_is_told_with_how_far_it_is_off(
    device: MakeDevice, ahead: datetime.timedelta, state: str, words: str
) -> None:
    found = examined(device(), ahead=ahead)["clock"]

    assert found.state == state
    assert words in found.said
    assert "set-ntp" in found.mend


def test_a_role_alias_that_is_gone_is_told(device: MakeDevice) -> None:
    made = device()
    alias = Settings.load(made.settings).storage.role_alias
    made.configure(f'role_alias = "{alias}"', 'role_alias = "gone"')

    found = examined(made)

    assert "no credentials for role alias gone" in found["role alias"].said
    assert "are the alias and the thing right" in found["role alias"].mend
    assert faults(found) == ["role alias"]
    assert set(not_tried(found)) == {"upload", "round trip"}
    assert found["publish"].state == "ok"


def test_a_bucket_that_denies_is_told(device: MakeDevice, target: Target) -> None:
    made = device()
    other = f"elsewhere-{uuid4().hex[:8]}"
    target.client("s3").create_bucket(Bucket=other)
    made.configure(Settings.load(made.settings).storage.bucket, other)

    found = examined(made)

    assert f"bucket {other}" in found["upload"].said
    assert "may not put this key there" in found["upload"].said
    assert "deploy the stack anew" in found["upload"].mend
    assert faults(found) == ["upload"]
    assert set(not_tried(found)) == {"round trip"}


def test_a_rule_that_is_disabled_shows_as_no_answer(device: MakeDevice, target: Target) -> None:
    made = device()

    with disabled_rule(target):
        found = examined(made, answer_s=1)

    assert "nobody answered in 1 s" in found["round trip"].said
    assert "./run doctor" in found["round trip"].mend
    assert faults(found) == ["round trip"]


def test_the_key_of_another_certificate_is_told(device: MakeDevice) -> None:
    made, other = device(), device()
    (made.folder / "private.key").write_bytes((other.folder / "private.key").read_bytes())

    found = examined(made)

    assert "it is not the key of" in found["certificate"].said
    assert faults(found) == ["certificate"]


def test_a_closed_port_is_told(device: MakeDevice) -> None:
    made, port = device(), free_port()
    made.configure(f"port = {Settings.load(made.settings).iot.port}", f"port = {port}")

    found = examined(made)

    assert f"cannot connect to 127.0.0.1:{port}" in found["broker"].said
    assert "no firewall between" in found["broker"].mend
    assert faults(found) == ["broker"]
    assert set(not_tried(found)) == {"tls", "connect", "subscribe", "publish", "round trip"}
    assert found["upload"].state == "ok"


def test_a_name_that_has_no_address_is_told(device: MakeDevice) -> None:
    made = device()
    made.configure('endpoint = "127.0.0.1"', 'endpoint = "broker.invalid"')

    found = examined(made)

    assert "there is no address for broker.invalid" in found["broker"].said
    assert "DNS" in found["broker"].mend
    assert faults(found) == ["broker"]


def test_a_policy_that_allows_too_little_is_told_by_the_brokers_reasons(
    device: MakeDevice, target: Target
) -> None:
    made, iot = device(), target.client("iot")
    (arn,) = iot.list_thing_principals(thingName=made.thing)["principals"]
    name = f"deaf-{uuid4().hex[:8]}"
    # The last will needs the right to publish: without it there is no connection.
    actions = ["iot:Connect", "iot:Publish", "iot:RetainPublish"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iot.create_policy(policyName=name, policyDocument=json.dumps(document))
    iot.attach_policy(policyName=name, target=arn)
    iot.detach_policy(policyName=target.output("DevicePolicy"), target=arn)

    found = examined(made)

    assert found["connect"].state == "ok"
    assert "not authorized (0x87)" in found["subscribe"].said
    assert "iot:Subscribe" in found["subscribe"].mend
    assert "does the policy of this thing's certificate" in found["subscribe"].mend
    assert set(faults(found)) - {"publish"} == {"subscribe", "role alias"}
    assert set(not_tried(found)) == {"upload", "round trip"}


def test_the_certificate_of_another_thing_is_told(device: MakeDevice) -> None:
    front, back = device(), device()
    back.configure(f'thing = "{back.thing}"', f'thing = "{front.thing}"')

    found = examined(back)

    assert f"refuses to let this certificate connect as {front.thing}" in found["connect"].said
    assert found["role alias"].state == "fault"


def test_an_agent_that_runs_meanwhile_is_told(
    device: MakeDevice, target: Target, start_agent: Callable[..., Agent]
) -> None:
    made = device()
    agent = start_agent(made, "--camera", DATA, "--loop")
    agent.wait_for_lines(1)

    with disabled_rule(target):  # so that the doctor waits, and the agent comes back meanwhile
        found = examined(made, answer_s=20)

    text = f"another client has connected as {made.thing}"
    assert text in " ".join(finding.line() for finding in found.values())
    assert "let only one agent run with this certificate" in " ".join(
        finding.mend for finding in found.values()
    )
