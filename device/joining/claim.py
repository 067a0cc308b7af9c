"""How a device of a fleet gets a certificate of its own, and a new one when it renews it.

The key is made here and kept before anything is asked; what comes back is kept before the next
question. So a crash at any moment costs a question that is asked twice, and never an identity:

- before the certificate came: the same key is sent again, and gives another certificate, which is
  as good; the first never became a thing's, and does nothing;
- after it came: the same certificate asks to become the thing's again, which the cloud allows to it
  alone. Its token holds for an hour; after that a new certificate is asked for.
"""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.joining.kept_identity import IdentityFolder, Kept, Pending
from sightline.errors import TransportError
from sightline.fleet import thing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certificate that AWS IoT signed, and the token that says it is ours."""

    certificate_id: str
    certificate: str  # PEM
    token: str = field(repr=False)


class StaleTokenError(TransportError):
    """An ownership token does not hold any more: it is older than an hour, or was used."""


class Desk(Protocol):
    """Where certificates are given out; `device.joining.iot_desk.IotDesk` asks AWS IoT."""

    def certify(self, request: str) -> Certified:
        """Have a certificate signing request (PEM) signed.

        Raises:
            ConfigError: The operator must mend something.
            TransportError: There was no answer; try again later.
        """
        ...

    def register(self, token: str, serial: str) -> str:
        """Make the token's certificate a thing's, and give the thing's name.

        Raises:
            StaleTokenError: The token does not hold any more.
            ConfigError: The device may not join, or the operator must mend something else.
            TransportError: There was no answer; try again later.
        """
        ...


def obtain(desk: Desk, folder: IdentityFolder, serial: str) -> Kept:
    """Get a certificate, and write it and its key beside what is; `commit` makes it the device's.

    Raises:
        ConfigError: The operator must mend something.
        TransportError: There was no answer; the next call goes on where this one ended.
    """
    pending = folder.pending() or _certify(desk, folder, serial)
    try:
        thing = desk.register(pending.token, serial)
    except StaleTokenError:
        folder.forget_pending()
        pending = _certify(desk, folder, serial)
        thing = desk.register(pending.token, serial)
    return folder.stage(pending, thing=thing, serial=serial)


def _certify(desk: Desk, folder: IdentityFolder, serial: str) -> Pending:
    key = _key(folder)
    answer = desk.certify(_request(key, serial))
    if not _is_of(answer.certificate, key):
        raise TransportError("the certificate that came is not of this device's key; trying again")
    pending = Pending(
        certificate_id=answer.certificate_id, certificate=answer.certificate, token=answer.token
    )
    folder.keep_pending(pending)
    return pending


def _key(folder: IdentityFolder) -> ec.EllipticCurvePrivateKey:
    """Take the key that was kept, or make one and keep it."""
    kept = folder.new_key()
    if kept is not None:
        try:
            key = serialization.load_pem_private_key(kept, None)
        except ValueError:
            key = None  # damaged, and of no use to anybody: nothing was signed for it
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key
    made = ec.generate_private_key(ec.SECP256R1())
    folder.keep_new_key(
        made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def _request(key: ec.EllipticCurvePrivateKey, serial: str) -> str:
    """Write a CSR; its subject is for people to read, nothing is decided by it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing_of(serial))])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _is_of(certificate: str, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        return False
    return found.public_key() == key.public_key()
