"""The doctor's judgements that need no cloud."""

import dataclasses
import datetime
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from device.doctor import cloud_side, surroundings
from device.doctor.finding import Examination, Finding, fault, not_tried, of_error, ok, warning
from device.spooling.settings import SpoolSettings
from sightline.errors import CameraError, ConfigError, TransportError
from sightline.keys import is_frame_of
from tests.device.authority import Authority, settings_of
from tests.device.fakes import NOON, EndlessCamera, settings
from tests.device.network.test_portal import answering, redirect


@contextmanager
def serving(date: str) -> Iterator[str]:
    """Serve nothing but a Date header."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(405)
            if date:
                self.send_header("Date", date)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_needs_a_failed_check_is_not_tried_nor_what_needs_that() -> None:
    shown: list[Finding] = []
    examination = Examination(shown.append)

    examination.check("a", lambda: fault("broken", "mend it"))
    examination.check("b", lambda: ok("never made"), needs=["a"])
    examination.check("c", lambda: ok("never made"), needs=["b"])
    examination.check("d", lambda: warning("weak", "strengthen it"))
    examination.check("e", lambda: ok("made"), needs=["d"])

    assert [finding.line().split("  ")[0].strip() for finding in shown] == [
        *("fault", "not tried", "not tried", "warning", "ok")
    ]
    assert [finding.said for finding in shown[1:3]] == ["since a failed", "since b failed"]
    assert not examination.sound
    assert examination.summary() == "1 fault, 1 warning, 2 not tried, 1 ok"


def test_warnings_and_what_was_not_tried_are_no_faults() -> None:
    examination = Examination()

    examination.check("a", lambda: warning("weak", "strengthen it"))
    examination.check("b", lambda: not_tried("nobody is there to ask"))

    assert examination.sound


def test_an_error_is_split_into_what_is_wrong_and_its_mend() -> None:
    found = of_error(ConfigError("the key is wrong; take another; or none"))

    assert (found.said, found.mend) == ("the key is wrong", "take another; or none")
    assert of_error(TransportError("gone")).line().endswith("gone")


def test_what_is_obtained_is_given_unless_judged_with_an_error() -> None:
    examination = Examination()

    def fail(_: int) -> Finding:
        raise ConfigError("not this one; another")

    assert examination.obtain("a", lambda: 1, lambda found: ok(str(found))) == 1
    assert examination.obtain("b", lambda: 2, fail) == 2
    assert examination.obtain("c", lambda: 3, lambda _: ok(""), needs=["b"]) is None
    assert [finding.state for finding in examination.findings] == ["ok", "fault", "not tried"]


@pytest.mark.parametrize(
    ("off_s", "state", "words"),
    [
        (0, "ok", "within"),
        (-1.9, "ok", "within"),
        (2.5, "warning", "2.5 s ahead"),
        (-299, "warning", "5 min behind"),
        (301, "fault", "5 min ahead"),
        (-90000, "fault", "25 h behind"),
        (1e9, "fault", "days ahead"),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(off_s: float, state: str, words: str) -> None:
    found = surroundings.judge_clock(off_s)

    assert found.state == state
    assert words in found.said


def test_a_network_that_wants_a_login_is_told_apart_from_a_service_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as refusing:
        closed = refusing.getsockname()[1]
    with answering(redirect("http://login.hotel.example/")) as portal:
        found = surroundings.reach(("127.0.0.1", closed), http_port=portal)
    down = surroundings.reach(("127.0.0.1", closed), http_port=closed)

    assert (found.state, down.state) == ("fault", "fault")
    assert "before somebody logs in at http://login.hotel.example/ (a captive portal)" in found.said
    assert "log in there" in found.mend
    assert "cannot connect to 127.0.0.1" in down.said


def test_a_clock_is_compared_with_the_date_that_is_served() -> None:
    with serving("Sat, 21 Nov 2026 12:00:00 GMT") as url:
        right = surroundings.clock(url, lambda: NOON + datetime.timedelta(seconds=0.9))
        wrong = surroundings.clock(url, lambda: NOON + datetime.timedelta(days=3))

    assert right.state == "ok"
    assert (wrong.state, wrong.said) == ("fault", "this clock is 3 days ahead")


@pytest.mark.parametrize("date", ["", "noon"])
def test_who_serves_no_date_cannot_be_asked(date: str) -> None:
    with (
        serving(date) as url,
        pytest.raises(TransportError, match="does not tell the time"),
    ):
        surroundings.clock(url, lambda: NOON)


def test_where_a_device_connects_is_read_off_its_settings() -> None:
    assert surroundings.places(settings()) == {
        "broker": ("127.0.0.1", 8883),
        "credentials": ("127.0.0.1", 8443),
        "storage": ("media.s3.us-east-1.amazonaws.com", 443),
    }


def test_a_trial_frame_is_a_small_jpeg_under_a_key_of_the_things_own() -> None:
    frame = cloud_side.trial_frame("front-door", NOON)

    assert is_frame_of("front-door", frame.key)
    assert frame.data[:3] == b"\xff\xd8\xff"
    assert len(frame.data) < 2000
    assert len(frame.sha256) == 64


def test_credentials_that_have_ended_are_a_fault_and_are_never_shown() -> None:
    fetched = {"access_key": "AKIA", "secret_key": "s3cret", "expiry_time": "2026-11-21T13:00:00Z"}

    fresh = cloud_side.judge_credentials(fetched, lambda: NOON)
    late = cloud_side.judge_credentials(fetched, lambda: NOON + datetime.timedelta(hours=2))

    assert (fresh.state, fresh.said) == ("ok", "gave credentials for 60 min")
    assert late.state == "fault"
    assert "s3cret" not in fresh.line() + late.line()


def test_a_camera_is_opened_and_let_go_of_and_its_size_told() -> None:
    camera = EndlessCamera()

    found = surroundings.camera("usb:0", lambda: camera)

    assert found.state == "ok"
    assert found.said.startswith("usb:0: 64x48, ")
    assert not camera.is_open


def test_a_camera_that_gives_nothing_is_an_error() -> None:
    camera = EndlessCamera(fail_after=0, error=CameraError("unplugged"))

    with pytest.raises(CameraError, match="unplugged"):
        surroundings.camera("usb:0", lambda: camera)


@pytest.mark.parametrize(
    ("free", "state", "said"),
    [
        (8_000_000_000, "ok", "8.00 GB free"),
        (150_000_000, "warning", "only 0.15 GB free"),
        (10_000_000, "fault", "only 0.01 GB free"),
    ],
)
def test_a_disk_is_judged_by_what_is_free_where_the_frames_are_to_be(
    tmp_path: Path, free: int, state: str, said: str
) -> None:
    asked: list[Path] = []

    def free_bytes(path: Path) -> int:
        asked.append(path)
        return free

    found = surroundings.disk(tmp_path / "not" / "yet", free_bytes=free_bytes)

    assert (found.state, found.said) == (state, f"{said} on the disk of {tmp_path}/not/yet")
    assert asked == [tmp_path]


def test_a_disk_that_cannot_be_looked_at_is_a_fault(tmp_path: Path) -> None:
    def fail(_: Path) -> int:
        raise OSError(5, "Input/output error")

    found = surroundings.disk(tmp_path, free_bytes=fail)

    assert (found.state, found.said) == (
        "fault",
        f"{tmp_path} cannot be looked at: Input/output error",
    )


def test_the_disk_that_is_looked_at_is_the_one_frames_wait_on(tmp_path: Path) -> None:
    service = {"STATE_DIRECTORY": str(tmp_path / "state")}
    set_so = dataclasses.replace(settings(), spool=SpoolSettings(folder=tmp_path / "card"))

    assert surroundings.kept_in(settings(), service) == tmp_path / "state"
    assert surroundings.kept_in(set_so, service) == tmp_path / "card"


def test_a_broker_that_never_says_a_word_has_taken_no_certificate(tmp_path: Path) -> None:
    device = Authority(tmp_path).issue("device")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        iot = settings_of(device, port=silent.getsockname()[1])
        asked = dataclasses.replace(settings(), iot=iot)
        with pytest.raises(TransportError, match="does not answer"):
            cloud_side.tls(asked, device, timeout_s=0.1)
