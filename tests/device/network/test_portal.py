"""What stands between a device and its broker, told apart: a login page, a clock, a wrong file."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from device.network import diagnosis, portal
from device.network.identity import Identity
from device.network.outage import TOLD_S, Outage
from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError, SightlineError, TransportError
from tests.device.authority import Authority, tls_server
from tests.device.fakes import DEADLINE_S


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Answer whoever connects; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            socket.create_connection(listener.getsockname(), timeout=1).close()
        thread.join(DEADLINE_S)


def redirect(where: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (redirect("http://login.hotel.example/?from=x"), "http://login.hotel.example/"),
        (redirect("https://10.0.0.1/", "307 Temporary Redirect"), "https://10.0.0.1/"),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", "http://127.0.0.1/"),
        (redirect("https://127.0.0.1/"), None),  # to itself, as a web server does
        (redirect("/index.html"), None),
        (redirect("http://[bad"), None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None),
        (b"\x20\x02\x00\x00", None),  # no HTTP at all
        (b"", None),
    ],
)
def test_a_network_that_wants_a_login_is_known_by_where_it_sends_a_browser(
    answer: bytes, expected: str | None
) -> None:
    with answering(answer) as port:
        assert portal.asks_to_log_in("127.0.0.1", port=port) == expected


def test_where_it_sends_us_cannot_steer_a_terminal() -> None:
    with answering(redirect("http://login.example/\x1b[2J" + "x" * 500)) as port:
        shown = portal.asks_to_log_in("127.0.0.1", port=port)
    assert shown is not None
    assert shown.isprintable()
    assert len(shown) < 260


@pytest.mark.parametrize(
    "err",
    [
        ConnectionRefusedError(111, "refused"),
        ssl.SSLError(1, "wrong version number"),
        OSError(113, "No route to host"),
        TimeoutError("timed out"),
    ],
)
def test_a_captive_portal_is_told_apart_from_a_broker_that_is_away(
    device: Identity, err: OSError
) -> None:
    with answering(redirect("http://login.hotel.example/")) as port:
        told = diagnosis.explain(err, device, "127.0.0.1", 8883, http_port=port)

    assert type(told) is TransportError  # so that it is tried again
    assert "logs in at http://login.hotel.example/ (a captive portal)" in str(told)


@pytest.fixture
def device(tmp_path: Path) -> Identity:
    return Authority(tmp_path, "ca").issue("device")


def test_who_answers_tls_in_the_brokers_place_is_no_reason_to_give_up(
    tmp_path: Path, device: Identity
) -> None:
    stranger = Authority(tmp_path, "Hotel Wi-Fi")
    login = stranger.issue("login.hotel.example")
    with tls_server(login, stranger.ca) as port, pytest.raises(SightlineError) as caught:
        diagnosis.probe(device, "127.0.0.1", port)

    assert type(caught.value) is TransportError
    assert "'login.hotel.example' from 'Hotel Wi-Fi': a captive portal?" in str(caught.value)


def test_a_wrong_authority_for_the_right_name_is_the_operators_to_mend(
    tmp_path: Path, device: Identity
) -> None:
    other = Authority(tmp_path, "other")
    server = other.issue("server", address="127.0.0.1")
    with (
        tls_server(server, other.ca) as port,
        pytest.raises(ConfigError, match="not from the authority"),
    ):
        diagnosis.probe(device, "127.0.0.1", port)


@pytest.mark.parametrize("code", [9, 10])  # not valid yet, expired
def test_a_clock_that_is_not_set_is_named_rather_than_the_certificate(
    device: Identity, code: int
) -> None:
    err = ssl.SSLCertVerificationError(1, "certificate verify failed")
    err.verify_code = code
    unset = TimeOfDay(now=lambda: datetime(1970, 1, 1, 0, 2, tzinfo=UTC))

    told = diagnosis.explain(err, device, "broker", 8883, time_of_day=unset)

    assert type(told) is TransportError  # it will be set
    assert "this clock is not set: it shows 1970-01-01;" in str(told)
    assert "NTP" in str(told)


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("a.b", ("A.B",), True),
        ("x.iot.example", ("*.iot.example",), True),
        ("x.y.iot.example", ("*.iot.example",), False),
        ("iot.example", ("*.iot.example",), False),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("127.0.0.1", (), False),
    ],
)
def test_a_certificate_is_for_its_names(host: str, names: tuple[str, ...], expected: bool) -> None:
    assert portal.is_for(host, names) is expected


def test_what_is_no_certificate_is_nobodys() -> None:
    assert portal.names_of(b"") == ((), "nobody")
    assert portal.names_of(b"\x30\x03\x02\x01\x01") == ((), "nobody")


def test_an_outage_is_logged_once_a_reason_and_told_of_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    outage = Outage(clock=lambda: now[0])
    outage.over("broker:8883")
    assert outage.trouble() is None
    for why in ("no address for broker", "no address for broker", "a captive portal"):
        outage.fail(why)
        now[0] += 10
    assert outage.trouble() == "a captive portal"
    outage.over("broker:8883")

    assert outage.trouble() == "was offline for 30 s: a captive portal"
    assert caplog.text.count("no address for broker (trying again)") == 1
    assert "connected to broker:8883 again, after 30 s" in caplog.text
    now[0] += TOLD_S + 1
    assert outage.trouble() is None
