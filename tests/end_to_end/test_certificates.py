"""Who is let in, with real certificates over mutual TLS; test_policies.py has what they may do."""

import datetime
import ipaddress
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.clock import utc_now
from device.settings import Settings
from infra.local.ports import free_port
from infra.provision import deprovision
from infra.target import Target
from tests.end_to_end.actors import Agent, Device, eventually

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]
DAY = datetime.timedelta(days=1)
DATA = Path(__file__).parents[1] / "data"


def signed(
    name: str, *, by: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, until: datetime.datetime
) -> tuple[bytes, bytes]:
    """Make a certificate and its key, both PEM; signed by itself unless *by* another."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = by or (subject, key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - 30 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def give(device: Device, certificate: bytes, key: bytes) -> None:
    """Put another certificate and key into a device's folder."""
    (device.folder / "certificate.pem").write_bytes(certificate)
    (device.folder / "private.key").write_bytes(key)


def without_credentials_endpoint(device: Device) -> None:
    """Let nobody answer there, so that it is the broker whose word the agent hears."""
    address = Settings.load(device.settings).storage.credentials_endpoint
    device.configure(address, f"127.0.0.1:{free_port()}")


def refusal(agent: Agent) -> str:
    """Wait for an agent that ends because its operator must mend something; what it says."""
    assert agent.wait() == 2, agent.log
    assert "Traceback" not in agent.log
    assert agent.lines == []
    *_, last = agent.log.splitlines()
    assert last.startswith("device: "), agent.log
    assert agent.log.count("device: ") == 1
    return last


def test_the_certificate_of_another_thing_is_refused(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    front, back = device(), device()
    back.configure(f'thing = "{back.thing}"', f'thing = "{front.thing}"')
    by_provider = start_agent(back, "--camera", DATA)
    impostor = device()
    impostor.configure(f'thing = "{impostor.thing}"', f'thing = "{front.thing}"')
    without_credentials_endpoint(impostor)
    by_broker = start_agent(impostor, "--camera", DATA)

    line = refusal(by_provider)
    assert f"gives thing {front.thing} no credentials" in line
    assert "are the alias and the thing right" in line
    line = refusal(by_broker)
    assert f"refuses to let this certificate connect as {front.thing}: not authorized" in line
    assert "Provision the device anew, or set `thing`" in line


def test_a_broker_of_another_authority_is_not_trusted(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    stranger, _ = signed("somebody else's authority", by=None, until=utc_now() + DAY)
    agents = []
    for hide in (False, True):
        made = device()
        (made.folder / "ca.pem").write_bytes(stranger)
        if hide:
            without_credentials_endpoint(made)
        agents.append((made, start_agent(made, "--camera", DATA)))

    for made, agent in agents:
        line = refusal(agent)
        assert f"is not from the authority in {made.folder / 'ca.pem'}" in line
        assert "set [iot] ca to the file that came with this broker" in line


def test_a_certificate_of_another_authority_is_refused(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    agents = []
    for hide in (False, True):
        made = device()
        give(made, *signed(made.thing, by=None, until=utc_now() + DAY))
        if hide:
            without_credentials_endpoint(made)
        agents.append((made, start_agent(made, "--camera", DATA)))

    for made, agent in agents:
        line = refusal(agent)
        assert f"the certificate {made.folder / 'certificate.pem'}" in line
        assert "does not know" in line or "seems not to know it" in line
        assert "provision the device anew" in line


def test_an_expired_certificate_is_said_to_have_expired(
    target: Target, device: MakeDevice, start_agent: StartAgent
) -> None:
    made = device()
    until = utc_now() - DAY
    pem, key = signed(made.thing, by=None, until=until)
    iot = target.client("iot")
    arn = iot.register_certificate_without_ca(certificatePem=pem.decode(), status="ACTIVE")[
        "certificateArn"
    ]
    iot.attach_policy(policyName=target.output("DevicePolicy"), target=arn)
    iot.attach_thing_principal(thingName=made.thing, principal=arn)
    give(made, pem, key)

    line = refusal(start_agent(made, "--camera", DATA))

    assert f"it expired on {until:%Y-%m-%d %H:%M} UTC" in line
    assert f"certificate {made.folder / 'certificate.pem'}" in line
    assert "provision the device anew" in line


@pytest.mark.parametrize("status", ["REVOKED", "INACTIVE"])
def test_a_certificate_that_was_taken_back_is_refused(
    target: Target, device: MakeDevice, start_agent: StartAgent, status: str
) -> None:
    made, unsure = device(), device()
    for each in (made, unsure):
        (arn,) = target.client("iot").list_thing_principals(thingName=each.thing)["principals"]
        target.client("iot").update_certificate(
            certificateId=arn.rpartition("/")[2], newStatus=status
        )
    without_credentials_endpoint(unsure)
    by_provider = start_agent(made, "--camera", DATA)
    by_broker = start_agent(unsure, "--camera", DATA, "--loop")

    line = refusal(by_provider)
    assert f"gives thing {made.thing} no credentials" in line
    assert "does the certificate's policy allow iot:AssumeRoleWithCertificate?" in line
    # This broker hangs up without saying why, as one that is being restarted does: so the agent
    # goes on trying, and says what it may be.
    eventually("guess at the reason", lambda: "is its certificate active?" in by_broker.log)
    assert "provision the device anew" in by_broker.log
    assert by_broker.process.poll() is None


def test_a_device_that_is_deprovisioned_while_it_runs_is_heard_no_more(
    target: Target, device: MakeDevice, start_agent: StartAgent
) -> None:
    made = device()
    made.configure("[results]", "[uplink]\nstop_timeout_s = 0.5\n\n[results]")
    agent = start_agent(made, "--camera", DATA, "--loop")
    agent.wait_for_lines(1)

    deprovision(made.thing, target=target, say=lambda _: None)

    eventually("end of its session", lambda: "is lost" in agent.log)
    eventually("word of the reason", lambda: "is its certificate active?" in agent.log)
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0
    assert "Traceback" not in agent.log


def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    made = device()
    key = made.folder / "private.key"
    key.chmod(0o644)

    line = refusal(start_agent(made, "--camera", DATA))

    assert "others can read it (mode 644)" in line
    assert f"`chmod 600 {key}`" in line


def test_each_missing_file_is_named(device: MakeDevice, start_agent: StartAgent) -> None:
    agents = []
    for name in ("ca.pem", "certificate.pem", "private.key", "device.toml"):
        made = device()
        (made.folder / name).unlink()
        agents.append((made.folder / name, start_agent(made, "--camera", DATA)))

    for path, agent in agents:
        line = refusal(agent)
        assert f"{path}: no such file" in line
        assert "provision the device anew" in line or "--config FILE" in line


def test_a_key_of_another_certificate_is_told_apart(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    made, other = device(), device()
    (made.folder / "private.key").write_bytes((other.folder / "private.key").read_bytes())

    line = refusal(start_agent(made, "--camera", DATA))

    assert f"private_key {made.folder / 'private.key'}: it is not the key of" in line
