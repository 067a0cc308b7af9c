"""Who is let in and what they may do then, with real certificates over mutual TLS."""

import datetime
import ipaddress
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device import identity
from device.clock import utc_now
from device.credentials import CredentialsEndpoint
from device.iot_link import IotLink
from device.s3_frame_store import S3FrameStore
from device.settings import Settings
from device.status import last_will
from infra.local.deployed import role_credentials
from infra.local.ports import free_port
from infra.provision import deprovision
from infra.target import Target
from sightline.errors import ConfigError, TransportError
from sightline.topics import topic
from tests.end_to_end.actors import Agent, Device, Operator, eventually, new_key

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

    # AWS closes the session; this broker keeps it, and refuses what comes over it.
    said = ("not authorized", "is its certificate active?")
    eventually("word of it", lambda: any(words in agent.log for words in said))
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


def test_a_device_can_neither_speak_nor_hear_as_another(
    device: MakeDevice, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    front, back = device(), device()
    settings = Settings.load(front.settings)
    link = IotLink(
        settings.iot,
        identity.load(settings.iot),
        front.thing,
        will_topic=topic(front.thing, "status"),
        will=lambda: last_will(front.thing, utc_now()),
    )
    overheard: list[str] = []
    with link:
        eventually("connection", lambda: _goes_out(link, topic(front.thing, "status")))
        for channel in ("frames", "status", "results", "errors", "commands"):
            with pytest.raises(TransportError, match=r"not authorized.*policy"):
                link.publish(topic(back.thing, channel), b"{}")
        with pytest.raises(TransportError, match="not authorized"):
            link.publish(topic(front.thing, "results"), b"{}")  # nor as the cloud
        link.subscribe(topic(back.thing, "results"), lambda name, _: overheard.append(name))
        eventually("refusal", lambda: "refused to subscribe" in caplog.text)
        operator.send(back.thing, "not JSON")
        operator.rejection_of(back.thing)

    assert overheard == []


def _goes_out(link: IotLink, name: str) -> bool:
    try:
        link.publish(name, b"{}")
    except TransportError:
        return False
    return True


def test_a_devices_credentials_are_for_putting_its_own_frames_alone(
    target: Target, device: MakeDevice, store: Callable[[str, bytes], None]
) -> None:
    front, back = device(), device()
    settings = Settings.load(front.settings)
    who = identity.load(settings.iot)
    address, alias = settings.storage.credentials_endpoint, settings.storage.role_alias
    endpoint = CredentialsEndpoint(address, alias, front.thing, who)
    bucket, key, others = settings.storage.bucket, new_key(front.thing), new_key(back.thing)
    store(others, b"x")

    with pytest.raises(ConfigError, match=rf"thing {back.thing} no credentials .*403"):
        CredentialsEndpoint(address, alias, back.thing, who).fetch()
    mine = S3FrameStore(settings.storage, endpoint.fetch)
    mine.put(key, b"frame", _sha256(b"frame"))
    with pytest.raises(ConfigError, match=bucket):
        mine.put(new_key(back.thing), b"frame", _sha256(b"frame"))
    keys = endpoint.fetch()
    s3 = _s3(target, keys["access_key"], keys["secret_key"], keys["token"])
    for refused in (
        lambda: s3.put_object(Bucket=bucket, Key=new_key(back.thing), Body=b"x"),
        lambda: s3.get_object(Bucket=bucket, Key=key),
        lambda: s3.get_object(Bucket=bucket, Key=others),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.list_objects_v2(Bucket=bucket),
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"frames/{front.thing}/"),
        s3.list_buckets,
    ):
        assert _code(refused) == "AccessDenied"


def test_the_function_can_neither_write_frames_nor_speak_for_a_device(
    target: Target, device: MakeDevice, store: Callable[[str, bytes], None]
) -> None:
    made, bucket = device(), target.output("MediaBucket")
    key = new_key(made.thing)
    store(key, b"x")
    name = target.output("RecognizeFunction")
    role = target.client("lambda").get_function(FunctionName=name)["Configuration"]["Role"]
    keys = role_credentials(target.account, role, "test")()
    given = (keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])
    s3 = _s3(target, *given)
    iot = _client(target, "iot-data", *given)
    tables = _client(target, "dynamodb", *given)

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    for refused in (
        lambda: s3.put_object(Bucket=bucket, Key=new_key(made.thing), Body=b"x"),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.get_object(Bucket=bucket, Key=f"segments/{made.thing}/1.mp4"),
        lambda: iot.publish(topic=topic(made.thing, "frames"), payload=b"{}"),
        lambda: iot.publish(topic=topic(made.thing, "commands"), payload=b"{}"),
        lambda: tables.put_item(
            TableName=target.output("PeopleTable"), Item={"person_id": {"S": "nobody"}}
        ),
        lambda: tables.delete_table(TableName=target.output("PeopleTable")),
    ):
        assert "AccessDenied" in _code(refused) or _code(refused) == "ForbiddenException"


def test_an_operator_can_send_frames_and_commands_but_no_results(
    device: MakeDevice, operator: Operator
) -> None:
    made = device()

    operator.publish(topic(made.thing, "commands"), '{"command": "capture"}')
    for channel in ("results", "errors", "status"):
        with pytest.raises(ConfigError, match=rf"refuses a publish to .*{channel}"):
            operator.publish(topic(made.thing, channel), "{}")


def _sha256(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def _client(target: Target, service: str, key: str, secret: str, token: str) -> Any:
    return boto3.client(
        service,
        region_name=target.account.region,
        endpoint_url=target.account.endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def _s3(target: Target, key: str, secret: str, token: str) -> Any:
    return _client(target, "s3", key, secret, token)


def _code(refused: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refusal:
        refused()
    code: str = refusal.value.response["Error"]["Code"]
    return code
