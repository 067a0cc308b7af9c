"""Certificates of AWS IoT: made of a key that never leaves, and taken back."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.account import error_code
from infra.provisioning.private_key import private_pem


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate that AWS IoT signed, with the key that only we have."""

    id: str  # SHA-256 of the certificate, in hex
    arn: str
    pem: str
    key_pem: bytes = field(repr=False)


@contextlib.contextmanager
def issued(iot: Any, name: str, policy: str) -> Iterator[Certificate]:
    """Have a new key certified and *policy* attached; an error inside takes all of it back.

    Args:
        iot: A boto3 client.
        name: The certificate's subject; for people to read, nothing is decided by it.
        policy: The name of an IoT policy.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    answer = iot.create_certificate_from_csr(
        certificateSigningRequest=request.sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode(),
        setAsActive=True,
    )
    certificate = Certificate(
        id=answer["certificateId"],
        arn=answer["certificateArn"],
        pem=answer["certificatePem"],
        key_pem=private_pem(key),
    )
    try:
        iot.attach_policy(policyName=policy, target=certificate.arn)
        yield certificate
    except BaseException:
        revoke(iot, certificate.arn)
        raise


def certificate_id(pem: bytes) -> str:
    """Return AWS IoT's id of a certificate: its SHA-256."""
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A certificate that a thing can connect with."""

    id: str
    arn: str
    created: datetime


def active_of(iot: Any, thing: str) -> list[Active]:
    """Give a thing's active certificates, the newest first."""
    found = []
    for arn in iot.list_thing_principals(thingName=thing)["principals"]:
        identity = arn.rpartition("/")[2]
        known = iot.describe_certificate(certificateId=identity)["certificateDescription"]
        if known["status"] == "ACTIVE":
            found.append(Active(id=identity, arn=arn, created=known["creationDate"]))
    return sorted(found, key=lambda each: each.created, reverse=True)


def shut_out(iot: Any, certificate: str) -> None:
    """Mark a certificate as revoked: who is connected with it is thrown out, and stays out."""
    iot.update_certificate(certificateId=certificate, newStatus="REVOKED")


def revoke(iot: Any, arn: str) -> None:
    """Detach a certificate from everything, and delete it; one that is gone is no error."""
    try:
        for policy in iot.list_attached_policies(target=arn)["policies"]:
            iot.detach_policy(policyName=policy["policyName"], target=arn)
        for thing in iot.list_principal_things(principal=arn)["things"]:
            iot.detach_thing_principal(thingName=thing, principal=arn)
        certificate = arn.rpartition("/")[2]
        # REVOKED, not INACTIVE: a session that is open with it is closed.
        iot.update_certificate(certificateId=certificate, newStatus="REVOKED")
        once_detached(lambda: iot.delete_certificate(certificateId=certificate, forceDelete=True))
    except ClientError as err:
        if error_code(err) != "ResourceNotFoundException":
            raise


def once_detached(
    delete: Callable[[], object], pauses_s: Sequence[float] = (0.5, 1, 2, 4, 8)
) -> None:
    """Delete what AWS IoT refuses to delete until a detachment, which takes it seconds, is done."""
    for pause_s in pauses_s:
        try:
            delete()
        except ClientError as err:
            if error_code(err) not in ("DeleteConflictException", "InvalidRequestException"):
                raise
            time.sleep(pause_s)
        else:
            return
    delete()
