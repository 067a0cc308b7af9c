"""A certificate that has run out opens neither the broker nor the credentials endpoint."""

import datetime
import json
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from infra.local.credentials_endpoint import CredentialsEndpoint
from infra.local.ministack.server import MiniStackServer, RootKey, ServerSettings
from infra.local.ports import LOOPBACK, free_port
from infra.local.stack import LocalStack
from infra.provisioning.private_key import private_pem
from infra.target import Target

pytestmark = pytest.mark.stack
DAY = datetime.timedelta(days=1)
SECONDS = 15


def write_certificate(path: Path, ca: x509.Certificate, ca_key: object, *, days: int) -> Path:
    """Write a device's key and certificate that runs out so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "door")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + days * DAY)
        .sign(ca_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    path.write_bytes(private_pem(key) + signed.public_bytes(Encoding.PEM))
    return path


def shakes_hands(port: int, certificate: Path, ca_pem: str) -> bool:
    """Whether a server goes on after the handshake, as it does if it takes the certificate."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.load_cert_chain(certificate)
    with (
        socket.create_connection((LOOPBACK, port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK) as secured,
    ):
        secured.settimeout(1)
        try:
            return secured.recv(1) != b""
        except TimeoutError:
            return True  # it waits for our first word
        except (ssl.SSLError, ConnectionError):
            return False


@pytest.fixture(scope="module")
def authority(
    ministack_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[x509.Certificate, object, ServerSettings]:
    """MiniStack's own authority, read out of the state it saved."""
    settings = ServerSettings(
        python=ministack_python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=RootKey(key_id="AKIATESTTESTTESTTEST", secret="x"),
    )
    with MiniStackServer(settings) as server:
        server.ca_pem()
    saved = json.loads((settings.folder / "state" / "iot.json").read_text())["payload"]["ca"]
    key = serialization.load_pem_private_key(saved["ca_key_pem"].encode(), None)
    return x509.load_pem_x509_certificate(saved["ca_cert_pem"].encode()), key, settings


def test_the_broker_refuses_a_certificate_that_has_run_out(
    authority: tuple[x509.Certificate, object, ServerSettings], tmp_path: Path
) -> None:
    ca, key, settings = authority
    pem = ca.public_bytes(Encoding.PEM).decode()
    with MiniStackServer(settings) as server:
        server.open_broker()
        assert server.ca_pem() == pem
        old = write_certificate(tmp_path / "old.pem", ca, key, days=-1)

        assert not shakes_hands(settings.mqtt_port, old, pem)


class Nobody:
    """A provider that is never asked."""

    def has(self, alias: str) -> bool:
        raise AssertionError(alias)


@pytest.mark.parametrize(("days", "taken"), [(1, True), (-1, False)])
def test_the_credentials_endpoint_refuses_one_too(
    authority: tuple[x509.Certificate, object, ServerSettings],
    stack: LocalStack,
    tmp_path: Path,
    days: int,
    taken: bool,
) -> None:
    ca, key, _ = authority
    server_pem = stack.settings.state / "authority" / "server.pem"
    endpoint = CredentialsEndpoint(
        Nobody(),  # type: ignore[arg-type]
        port=0,
        certificate=server_pem,
        client_ca=ca.public_bytes(Encoding.PEM).decode(),
    )
    with endpoint:
        port = int(endpoint.address.rpartition(":")[2])
        certificate = write_certificate(tmp_path / "c.pem", ca, key, days=days)
        trusted = Target.local(stack.settings.state).endpoints().ca_pem

        assert shakes_hands(port, certificate, trusted) is taken
