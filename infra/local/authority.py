"""A certificate authority of this machine, for the credentials endpoint's own certificate.

AWS signs the broker's and the credentials provider's certificates with one root; MiniStack keeps
its CA's key to itself, so here are two, and a device's `ca.pem` holds both.
"""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local.ports import LOOPBACK
from infra.provisioning.private_key import private_pem, write_private

_CA_DAYS = 3650
_SERVER_DAYS = 397
_DAY = datetime.timedelta(days=1)


class Authority:
    """Keeps its key in *folder*, mode 600, and makes it on first use."""

    def __init__(self, folder: Path) -> None:
        self._certificate_path = folder / "ca.pem"
        self._key_path = folder / "ca.key"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._certificate_path.is_file() and self._key_path.is_file()):
            self._make()
        self._key = serialization.load_pem_private_key(self._key_path.read_bytes(), None)
        self._certificate = x509.load_pem_x509_certificate(self._certificate_path.read_bytes())

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write_server_certificate(self, path: Path) -> Path:
        """Write a fresh key and certificate for this machine's loopback names, as one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate("localhost", key.public_key(), days=_SERVER_DAYS).issuer_name(
            self._certificate.subject
        )
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address(LOOPBACK)),
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not of an elliptic curve")
        signed = builder.sign(self._key, hashes.SHA256())
        write_private(path, private_pem(key) + signed.public_bytes(serialization.Encoding.PEM))
        return path

    def write_client_certificate(self, name: str, certificate: Path, key: Path) -> None:
        """Write a fresh key, for its owner alone, and a certificate in the name of *name*."""
        private = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate(name, private.public_key(), days=_SERVER_DAYS)
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not of an elliptic curve")
        signed = builder.issuer_name(self._certificate.subject).sign(self._key, hashes.SHA256())
        write_private(key, private_pem(private))
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate("sightline local authority", key.public_key(), days=_CA_DAYS)
        builder = builder.issuer_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sightline local authority")])
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        signed = builder.sign(key, hashes.SHA256())
        write_private(self._key_path, private_pem(key))
        self._certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)  # a device's clock may be slow
        .not_valid_after(now + days * _DAY)
    )
