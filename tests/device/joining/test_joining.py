"""A device joins its fleet and renews its certificate, at a desk in this process.

The desk follows the cloud's rule. It fails when told to, before it does what is asked or after: the
answer is lost then, as by a power cut. The same at AWS IoT's own messages: tests/end_to_end.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.clock import utc_now
from device.joining.claim import Certified, StaleTokenError
from device.joining.joining import joined, renew
from device.joining.kept_identity import FOLDER, IdentityFolder, Kept
from device.network.backoff import Backoff
from device.settings import IotSettings, Settings
from infra.provisioning.certificates import certificate_id
from sightline.errors import ConfigError, TransportError

SERIAL = "10000000abcdef01"
TOML = f"""\
[claim]
template = "sightline-fleet"
serial = "{SERIAL}"
[iot]
endpoint = "127.0.0.1"
ca = "ca.pem"
certificate = "claim.pem"
private_key = "claim.key"
[storage]
region = "us-east-1"
bucket = "sightline-media-1"
credentials_endpoint = "127.0.0.1:8443"
role_alias = "sightline-device"
[camera]
source = "picamera2"
"""


class PowerCutError(Exception):
    """Nothing more is done."""


class Office:
    """The cloud's side: signs, and binds serial numbers to certificates as cloud/admit.py does."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.bound: dict[str, str | None] = {SERIAL: None}
        self.tokens: dict[str, str] = {}
        self.asked: list[str] = []  # "certify" or "register", in order
        self.keys: list[bytes] = []  # public ones that were certified
        self.failures: list[Exception | None] = []  # before the next questions are served
        self.losses: list[Exception | None] = []  # after
        self.clients: list[str] = []

    @contextlib.contextmanager
    def open(self, settings: IotSettings, client_id: str, template: str) -> Iterator["Visit"]:
        self.clients.append(client_id)
        yield Visit(self, settings.certificate.name)

    def accept(self, settings: IotSettings, thing: str) -> None:
        """Take a connection, as a broker does: with a certificate that became a thing's."""
        assert settings.private_key.exists()
        if settings.certificate.stem != f"{self.bound[SERIAL]}"[:16]:
            raise TransportError("the certificate is not active")

    def fail(self) -> None:
        self._maybe(self.failures)

    def lose(self) -> None:
        self._maybe(self.losses)

    def _maybe(self, errors: list[Exception | None]) -> None:
        error = errors.pop(0) if errors else None
        if error is not None:
            raise error


class Visit:
    """See `device.joining.claim.Desk`; with the certificate that was shown at the door."""

    def __init__(self, office: Office, shown: str) -> None:
        self._office = office
        self._shown = shown

    def certify(self, request: str) -> Certified:
        office = self._office
        office.asked.append("certify")
        office.fail()
        csr = x509.load_pem_x509_csr(request.encode())
        assert csr.is_signature_valid
        office.keys.append(_public(csr.public_key()))
        now = utc_now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "office")])
        signed = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(name)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now.replace(year=now.year + 1))
            .sign(office.key, hashes.SHA256())
        ).public_bytes(serialization.Encoding.PEM)
        made, token = certificate_id(signed), f"token {len(office.tokens)}"
        office.tokens[token] = made
        office.lose()
        return Certified(certificate_id=made, certificate=signed.decode(), token=token)

    def register(self, token: str, serial: str) -> str:
        office = self._office
        office.asked.append("register")
        office.fail()
        if token not in office.tokens:
            raise StaleTokenError("an hour is over")
        if serial not in office.bound:
            raise ConfigError("not on the list")
        new, held = office.tokens[token], office.bound[serial]
        if held not in (None, new) and not self._shown.startswith(held[:16]):
            raise ConfigError("claimed before")
        office.bound[serial] = new
        office.lose()
        return "cam-1"


def _public(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "claim.key").write_text("the fleet's")
    (tmp_path / "claim.pem").write_text("the fleet's")
    config = tmp_path / "device.toml"
    config.write_text(TOML)
    return config


def start(card: Path, office: Office, **more: Callable[..., object]) -> Settings:
    """Start an agent, and stop it as soon as it has its settings."""
    quick = Backoff(first_s=0.001, most_s=0.001)
    with joined(
        card, threading.Event(), desk=office.open, try_out=office.accept, backoff=quick
    ) as settings:
        assert settings is not None
        return settings


def kept(card: Path) -> Kept | None:
    return IdentityFolder(card.parent / FOLDER).current()


def files(card: Path) -> set[str]:
    return {path.name for path in (card.parent / FOLDER).iterdir()}


def test_a_card_with_a_claim_becomes_a_device(card: Path, office: Office) -> None:
    settings = start(card, office)

    assert settings.thing == "cam-1"
    assert settings.iot.certificate.read_text().startswith("-----BEGIN CERTIFICATE")
    key = serialization.load_pem_private_key(settings.iot.private_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert office.keys == [_public(key.public_key())]
    assert office.clients == [f"sightline-claim-{SERIAL}"]
    assert not (card.parent / "claim.key").exists()


def test_a_device_that_has_joined_asks_nobody(card: Path, office: Office) -> None:
    first = start(card, office)
    office.asked.clear()

    assert start(card, office) == first
    assert office.asked == []


def test_a_device_without_a_claim_is_as_it_always_was(card: Path, office: Office) -> None:
    card.write_text(
        'thing = "front-door"\n' + TOML.partition("[iot]")[1] + TOML.partition("[iot]")[2]
    )

    assert start(card, office).thing == "front-door"
    assert (card.parent / "claim.key").exists()
    assert not (card.parent / FOLDER).exists()


def test_settings_of_a_card_that_has_not_joined_say_so(card: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate of its own yet; start the agent"):
        Settings.load(card)


def test_a_thing_beside_a_claim_is_refused(card: Path, office: Office) -> None:
    card.write_text('thing = "front-door"\n' + TOML)

    with pytest.raises(ConfigError, match=r"leave it out beside \[claim\]"):
        start(card, office)


def test_without_a_network_it_goes_on_trying(
    card: Path, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.failures = [TransportError("nobody listens"), None, TransportError("no answer"), None]

    assert start(card, office).thing == "cam-1"
    assert "nobody listens (not in the fleet yet; trying again" in caplog.text
    assert office.asked == ["certify", "certify", "register", "register"]


def test_told_to_stop_it_does_not_go_on_trying(card: Path, office: Office) -> None:
    stop = threading.Event()

    class Stopping(Office):
        def fail(self) -> None:
            stop.set()
            raise TransportError("nobody listens")

    with joined(card, stop, desk=Stopping().open) as settings:
        assert settings is None
    assert (card.parent / "claim.key").exists()


def test_a_refusal_names_serial_number_and_claim(card: Path, office: Office) -> None:
    office.bound.clear()

    with pytest.raises(
        ConfigError, match=rf"serial number {SERIAL} cannot join.*claim\.pem: not on"
    ):
        start(card, office)
    assert (card.parent / "claim.key").exists()
    assert kept(card) is None


@pytest.mark.parametrize("question", [0, 1])
@pytest.mark.parametrize("when", ["failures", "losses"])
def test_a_power_cut_at_any_question_is_mended_by_the_next_start(
    card: Path, office: Office, question: int, when: str
) -> None:
    setattr(office, when, [*[None] * question, PowerCutError()])
    with pytest.raises(PowerCutError):
        start(card, office)
    assert kept(card) is None

    settings = start(card, office)

    identity = kept(card)
    assert settings.thing == "cam-1"
    assert identity is not None
    assert office.bound[SERIAL] == identity.certificate_id
    assert len(set(office.keys)) == 1  # a retry asks with the same key
    assert len(files(card)) == 3


@pytest.mark.parametrize("writes", range(5))
def test_a_power_cut_before_any_write_is_mended_by_the_next_start(
    card: Path, office: Office, writes: int
) -> None:
    from device.joining.claim import obtain
    from device.joining.kept_identity import write_whole

    left = iter(range(writes))

    def write(path: Path, data: bytes, mode: int) -> None:
        if next(left, None) is None:
            raise PowerCutError
        write_whole(path, data, mode)

    folder = IdentityFolder(card.parent / FOLDER, write=write)
    settings = Settings.read(card)
    with (
        pytest.raises(PowerCutError),
        folder.lock(),
        office.open(settings.iot, "x", "y") as desk,
    ):
        folder.commit(obtain(desk, folder, SERIAL))
    assert kept(card) is None

    start(card, office)

    identity = kept(card)
    assert identity is not None
    assert office.bound[SERIAL] == identity.certificate_id


def test_a_token_that_holds_no_more_is_asked_for_anew(card: Path, office: Office) -> None:
    office.failures = [None, PowerCutError()]
    with pytest.raises(PowerCutError):
        start(card, office)
    office.tokens.clear()

    assert start(card, office).thing == "cam-1"
    assert office.asked[-3:] == ["register", "certify", "register"]
    assert len(set(office.keys)) == 1


def test_a_certificate_of_somebody_elses_key_is_not_taken(card: Path, office: Office) -> None:
    class Mixed(Office):
        @contextlib.contextmanager
        def open(self, settings: IotSettings, client_id: str, template: str) -> Iterator[Visit]:
            yield MixedUp(self, "")

    class MixedUp(Visit):
        def certify(self, request: str) -> Certified:
            other = ec.generate_private_key(ec.SECP256R1())
            csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            pem = csr.sign(other, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            if len(self._office.asked) < 2:
                return super().certify(pem.decode())
            return super().certify(request)

    mixed = Mixed()

    assert start(card, mixed).thing == "cam-1"
    assert mixed.asked == ["certify", "certify", "certify", "register"]


def test_the_log_holds_neither_key_nor_token(
    card: Path, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    start(card, office)

    assert "token" not in caplog.text
    assert "BEGIN" not in caplog.text


def test_a_device_renews_its_certificate_under_its_own_name(card: Path, office: Office) -> None:
    start(card, office)

    old, new = renew(card, desk=office.open, try_out=office.accept)

    assert kept(card) == new
    assert new.certificate_id != old.certificate_id
    assert office.clients[-1] == "cam-1"
    assert len(set(office.keys)) == 2
    assert not old.private_key.exists()


def test_a_certificate_that_does_not_connect_is_not_taken_and_finished_later(
    card: Path, office: Office
) -> None:
    start(card, office)
    old = kept(card)

    def refuse(settings: IotSettings, thing: str) -> None:
        raise TransportError("cannot connect")

    with pytest.raises(TransportError, match="cannot connect"):
        renew(card, desk=office.open, try_out=refuse)
    assert kept(card) == old
    office.asked.clear()
    settings = start(card, office)

    assert office.asked == []  # all was done but the last step
    assert settings.iot.certificate.name == f"{office.bound[SERIAL]}"[:16] + ".pem"


@pytest.mark.parametrize("question", [0, 1])
@pytest.mark.parametrize("when", ["failures", "losses"])
def test_a_renewal_that_a_power_cut_broke_off_leaves_a_device_that_works_and_goes_on(
    card: Path, office: Office, question: int, when: str
) -> None:
    start(card, office)
    old = kept(card)
    setattr(office, when, [*[None] * question, PowerCutError()])
    with pytest.raises(PowerCutError):
        renew(card, desk=office.open, try_out=office.accept)
    assert kept(card) == old

    _, new = renew(card, desk=office.open, try_out=office.accept)

    assert kept(card) == new
    assert office.bound[SERIAL] == new.certificate_id


def test_a_renewal_that_cannot_be_finished_does_not_keep_the_agent_from_starting(
    card: Path, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    start(card, office)
    office.losses = [None, PowerCutError()]
    with pytest.raises(PowerCutError):
        renew(card, desk=office.open, try_out=office.accept)

    def refuse(settings: IotSettings, thing: str) -> None:
        raise TransportError("cannot connect")

    with joined(card, threading.Event(), desk=office.open, try_out=refuse) as settings:
        assert settings is not None
    assert "not renewed yet: cannot connect (going on with the old one)" in caplog.text


def test_a_device_without_a_claim_is_rotated_where_it_was_provisioned(
    card: Path, office: Office
) -> None:
    card.write_text('thing = "front-door"\n' + TOML[TOML.index("[iot]") :])

    with pytest.raises(ConfigError, match=r"\./run rotate front-door"):
        renew(card, desk=office.open, try_out=office.accept)
