import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from device.network import certificate, diagnosis, identity
from device.network.credentials import CredentialsEndpoint, resolver
from device.network.identity import Identity
from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError, TransportError
from tests.device.authority import DAY, Authority, answer, settings_of, tls_server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def device(authority: Authority) -> Identity:
    return authority.issue("device")


@pytest.fixture
def server(authority: Authority) -> Identity:
    return authority.issue("server", address="127.0.0.1")


def test_files_that_belong_together_are_taken(device: Identity) -> None:
    assert identity.load(settings_of(device)) == device


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_command_to_mend_it(
    device: Identity, mode: int
) -> None:
    device.private_key.chmod(mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:o}.*chmod 600 {device.private_key}"):
        identity.load(settings_of(device))


@pytest.mark.parametrize("name", ["ca", "certificate", "private_key"])
def test_a_file_that_is_missing_or_no_pem_is_named(device: Identity, name: str) -> None:
    path: Path = getattr(device, name)
    path.write_text("secret text")
    with pytest.raises(ConfigError, match=rf"\[iot\] {name} .*not a PEM file") as caught:
        identity.load(settings_of(device))
    assert "secret text" not in str(caught.value)
    path.unlink()
    with pytest.raises(ConfigError, match=rf"\[iot\] {name} .*no such file"):
        identity.load(settings_of(device))


@pytest.mark.parametrize("name", ["ca", "certificate", "private_key"])
def test_a_damaged_file_is_named(device: Identity, name: str) -> None:
    path: Path = getattr(device, name)
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match=path.name):
        identity.load(settings_of(device))


def test_the_key_of_another_certificate_is_refused(authority: Authority, device: Identity) -> None:
    other = authority.issue("other")
    other.private_key.rename(device.private_key)
    with pytest.raises(ConfigError, match="is not the key of"):
        identity.load(settings_of(device))


def test_an_expired_certificate_is_refused_with_its_date(authority: Authority) -> None:
    expired = authority.issue("expired", valid=-DAY)
    with pytest.raises(ConfigError, match=r"expired on \d{4}-\d\d-\d\d"):
        identity.load(settings_of(expired))


@pytest.mark.parametrize("days", [-5, 30, 40_000])  # the last one is beyond 2049: another encoding
def test_when_a_certificate_expires_is_read_as_cryptography_reads_it(
    authority: Authority, days: int
) -> None:
    issued = authority.issue("any", valid=timedelta(days=days))
    parsed = x509.load_pem_x509_certificate(issued.certificate.read_bytes())

    assert certificate.valid_until(issued.certificate) == parsed.not_valid_after_utc


def test_a_certificate_of_the_future_is_no_error_for_a_pi_that_has_no_clock(
    device: Identity,
) -> None:
    unset = TimeOfDay(now=lambda: datetime(1970, 1, 1, tzinfo=UTC))
    assert identity.load(settings_of(device), time_of_day=unset)


IN_2060 = datetime(2060, 1, 1, tzinfo=UTC)


def test_by_a_clock_that_is_not_set_a_certificate_only_seems_to_have_expired(
    device: Identity, tmp_path: Path
) -> None:
    never = TimeOfDay(
        now=lambda: IN_2060, synchronized=tmp_path / "synchronized", rtc=tmp_path / "rtc"
    )
    with pytest.raises(TransportError, match="clock, which shows 2060-01-01, and is not set"):
        identity.load(settings_of(device), time_of_day=never)


def test_by_a_clock_that_seems_set_what_it_shows_is_told_beside_the_date(device: Identity) -> None:
    ahead = TimeOfDay(now=lambda: IN_2060, synchronized=Path("/nowhere/here"))
    with pytest.raises(ConfigError, match=r"this clock, which shows 2060-01-01; .*set the clock"):
        identity.load(settings_of(device), time_of_day=ahead)


def test_an_expired_certificate_is_no_trouble_any_more_once_the_clock_is_right(
    device: Identity,
) -> None:
    now = [IN_2060]
    validity = identity.validity(device, TimeOfDay(now=lambda: now[0]))
    assert "the certificate expired on" in (validity.trouble() or "")

    now[0] = datetime.now(UTC)

    assert validity.trouble() is None


def test_a_broker_that_is_who_it_should_be_passes(
    device: Identity, server: Identity, authority: Authority
) -> None:
    with tls_server(server, authority.ca, lambda s: s.recv(1)) as port:
        diagnosis.probe(device, "127.0.0.1", port)
        diagnosis.probe(device, "127.0.0.1", port, listen_s=0.05)


def test_a_broker_of_another_authority_is_told_at_once(
    tmp_path: Path, server: Identity, authority: Authority
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("device")
    with (
        tls_server(server, authority.ca) as port,
        pytest.raises(ConfigError, match=r"not from the authority in .*stranger\.pem"),
    ):
        diagnosis.probe(stranger, "127.0.0.1", port)


def test_a_broker_of_another_name_is_told(authority: Authority, device: Identity) -> None:
    other = authority.issue("server", address="127.0.0.2")
    with (
        tls_server(other, authority.ca) as port,
        pytest.raises(ConfigError, match=r"is not for 127\.0\.0\.1"),
    ):
        diagnosis.probe(device, "127.0.0.1", port)


def test_a_broker_whose_certificate_has_expired_is_told(
    authority: Authority, device: Identity
) -> None:
    old = authority.issue("server", address="127.0.0.1", valid=-DAY)
    with tls_server(old, authority.ca) as port, pytest.raises(ConfigError, match="has expired"):
        diagnosis.probe(device, "127.0.0.1", port)


def test_a_broker_that_does_not_know_our_authority_is_told(
    tmp_path: Path, authority: Authority, server: Identity
) -> None:
    foreign = Authority(tmp_path, "foreign").issue("device")
    ours = Identity(
        ca=authority.ca, certificate=foreign.certificate, private_key=foreign.private_key
    )
    with (
        tls_server(server, authority.ca) as port,
        pytest.raises(ConfigError, match=r"device\.pem: it was issued by an authority"),
    ):
        diagnosis.probe(ours, "127.0.0.1", port, listen_s=5)


def test_a_broker_that_hangs_up_on_our_certificate_is_told(
    device: Identity, server: Identity, authority: Authority
) -> None:
    with (
        tls_server(server, authority.ca) as port,
        pytest.raises(ConfigError, match="ends the connection") as caught,
    ):
        diagnosis.probe(device, "127.0.0.1", port, listen_s=5)
    assert "not to know it, or that was revoked or deactivated; `./run doctor`" in str(caught.value)


def test_what_may_pass_by_itself_is_no_error_of_the_operators(device: Identity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for listen_s in (0.0, 0.1):
            with pytest.raises(TransportError, match="does not answer"):
                diagnosis.probe(device, "127.0.0.1", port, timeout_s=0.1, listen_s=listen_s)
    with pytest.raises(TransportError, match="nobody listens"):
        diagnosis.probe(device, "127.0.0.1", port)


@pytest.mark.parametrize(
    ("err", "expected", "kind"),
    [
        (socket.gaierror(-2, "unknown"), "no address for broker", TransportError),
        (OSError(113, "No route to host"), "No route to host", TransportError),
        (ssl.SSLError(1, "wrong version"), "TLS fails", TransportError),
    ],
)
def test_errors_of_the_network_are_explained(
    device: Identity, err: OSError, expected: str, kind: type
) -> None:
    with pytest.raises(kind, match=expected):
        raise diagnosis.explain(err, device, "broker", 8883)


def test_each_alert_about_our_certificate_names_it(device: Identity) -> None:
    for alert in ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_REVOKED"):
        err = ssl.SSLError(1, alert)
        err.reason = alert
        with pytest.raises(ConfigError, match="provision the device anew"):
            raise diagnosis.explain(err, device, "broker", 8883)


GIVEN = {
    "credentials": {
        "accessKeyId": "ASIAEXAMPLE",
        "secretAccessKey": "very-secret",
        "sessionToken": "token",
        "expiration": "2999-01-01T00:00:00Z",
    }
}


def given_until(expiration: object) -> bytes:
    return json.dumps({"credentials": {**GIVEN["credentials"], "expiration": expiration}}).encode()


def endpoint(port: int, device: Identity) -> CredentialsEndpoint:
    return CredentialsEndpoint(f"127.0.0.1:{port}", "sightline-device", "front-door", device)


def test_credentials_are_got_for_the_thing_with_its_certificate(
    device: Identity, server: Identity, authority: Authority
) -> None:
    serve = answer(200, json.dumps(GIVEN).encode())
    with tls_server(server, authority.ca, serve) as port:
        loaded = resolver(endpoint(port, device).fetch).load_credentials()

    assert loaded.get_frozen_credentials() == ("ASIAEXAMPLE", "very-secret", "token", None)
    (request,) = serve.requests  # type: ignore[attr-defined]
    assert request.startswith("GET /role-aliases/sightline-device/credentials HTTP/1.1")
    assert "x-amzn-iot-thingname: front-door" in request


@pytest.mark.parametrize(
    ("status", "body", "kind", "expected"),
    [
        (403, b'{"message": "Access Denied"}', ConfigError, r"front-door .*403: Access Denied"),
        (404, b"<html>", ConfigError, "404: no reason given"),
        (429, b"{}", TransportError, "429"),
        (500, b"{}", TransportError, "500"),
        (200, b'{"credentials": {"secretAccessKey": "very-secret"}}', TransportError, "KeyError"),
        (200, given_until("soon"), TransportError, "gave no credentials: ValueError"),
        (200, given_until(5), TransportError, "gave no credentials: TypeError"),
        (200, given_until(None), TransportError, "gave no credentials: TypeError"),
        (200, b"[]", TransportError, "gave no credentials"),
        (200, b"no JSON", TransportError, "gave no credentials"),
    ],
)
def test_a_refusal_is_told_without_a_secret(
    device: Identity,
    server: Identity,
    authority: Authority,
    status: int,
    body: bytes,
    kind: type[Exception],
    expected: str,
) -> None:
    with (
        tls_server(server, authority.ca, answer(status, body)) as port,
        pytest.raises(kind, match=expected) as caught,
    ):
        endpoint(port, device).fetch()
    assert "very-secret" not in str(caught.value)


def test_a_provider_that_is_away_or_speaks_no_http_is_told(
    device: Identity, server: Identity, authority: Authority
) -> None:
    def speak_ssh(connection: ssl.SSLSocket) -> None:
        connection.recv(4096)
        connection.sendall(b"SSH-2.0\r\n\r\n")

    with (
        tls_server(server, authority.ca, speak_ssh) as port,
        pytest.raises(TransportError, match="does not speak HTTP"),
    ):
        endpoint(port, device).fetch()
    with pytest.raises(TransportError, match="nobody listens"):
        endpoint(port, device).fetch()
