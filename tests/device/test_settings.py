from pathlib import Path

import pytest

from device.settings import Settings
from sightline.errors import ConfigError

WHOLE = """\
thing = "front-door"
[iot]
endpoint = "127.0.0.1"
port = 18883
ca = "ca.pem"
certificate = "certificate.pem"
private_key = "/secret/private.key"
[storage]
region = "us-east-1"
bucket = "sightline-media-1"
credentials_endpoint = "127.0.0.1:8443"
role_alias = "sightline-device"
s3_endpoint = "http://127.0.0.1:4566"
[camera]
source = "picamera2"
width = 640
[frames]
interval_s = 1
[results]
hook = ["/bin/cat", "-"]
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "device.toml"
    path.write_text(text, encoding="utf-8")
    return Settings.load(path)


def test_a_whole_file_is_read_and_the_rest_has_its_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, WHOLE)

    assert settings.thing == "front-door"
    assert (settings.iot.port, settings.camera.width, settings.camera.height) == (18883, 640, 720)
    assert settings.frames.interval_s == 1.0
    assert settings.results.hook == ("/bin/cat", "-")
    assert settings.uplink.in_flight == 16


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, WHOLE.replace('"picamera2"', '"clips/door.mp4"'))

    assert settings.iot.ca == tmp_path / "ca.pem"
    assert settings.iot.private_key == Path("/secret/private.key")
    assert settings.camera.source == str(tmp_path / "clips/door.mp4")


@pytest.mark.parametrize("source", ["picamera2", "usb:0", "rtsp://camera/1", "http://camera/video"])
def test_what_is_no_path_stays_as_it_is(tmp_path: Path, source: str) -> None:
    assert load(tmp_path, WHOLE.replace("picamera2", source)).camera.source == source


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("port = 18883", "prot = 18883", r"\[iot\] prot: no such key; did you mean 'port'\?"),
        ("port = 18883", "port = true", r"\[iot\] port: expected a whole number, got True"),
        ("port = 18883", "port = 70000", r"\[iot\] port: expected 1 to 65535, got 70000"),
        ('"front-door"', '"front door"', r"thing: device 'front door' is not 1 to 64"),
        ('"front-door"', "5", r"thing: expected a text in quotes, got 5"),
        ('ca = "ca.pem"\n', "", r"\[iot\] ca: this key is missing"),
        ('"127.0.0.1"\nport', '"https://x"\nport', r"\[iot\] endpoint: expected a host's name"),
        ("interval_s = 1", "interval_s = 0", r"\[frames\] interval_s: expected 0.02 to 86400"),
        ("interval_s = 1", "interval_s = nan", r"\[frames\] interval_s: expected 0.02 to 86400"),
        ('["/bin/cat", "-"]', '"/bin/cat -"', r"\[results\] hook: expected a list"),
        ('["/bin/cat", "-"]', "[1]", r"hook\[0\]: expected a text"),
        ("[frames]\n", "[frame]\n", r"frame: no such key; did you mean 'frames'\?"),
        ("[frames]\n", "zzz = 1\n[frames]\n", r"\[camera\] zzz: no such key; there are source"),
        ("[iot]\n", "iot = 5\n[iott]\n", r"no such key|expected a section"),
        ("thing =", "thing", r"is not TOML"),
        ("us-east-1", "moon", r"\[storage\] region: expected a region"),
        (":8443", ":x", r"credentials_endpoint: expected HOST or HOST:PORT"),
        ("http://127.0.0.1:4566", "127.0.0.1", r"s3_endpoint: expected http"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_what_was_expected(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        load(tmp_path, WHOLE.replace(old, new))

    assert str(caught.value).startswith(str(tmp_path / "device.toml"))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="iot: this section is missing"):
        load(tmp_path, 'thing = "front-door"')


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; give the device's with --config"):
        Settings.load(tmp_path / "device.toml")
    (tmp_path / "device.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        Settings.load(tmp_path / "device.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load(tmp_path)


def test_another_camera_can_be_taken_for_once(tmp_path: Path) -> None:
    settings = load(tmp_path, WHOLE)

    assert settings.with_camera(None) == settings
    assert settings.with_camera("usb:1", loop=True).camera.source == "usb:1"
    assert settings.with_camera("clip.mp4").camera.source == str(Path.cwd() / "clip.mp4")
    assert settings.with_camera("clip.mp4", loop=True).camera.loop


def test_frames_go_straight_to_a_rule_if_one_is_named(tmp_path: Path) -> None:
    usual = load(tmp_path, WHOLE).iot
    past = load(tmp_path, WHOLE.replace("port = 18883", 'frames_rule = "mine_frames"')).iot

    assert usual.frames_topic("door") == "sightline/v1/door/frames"
    assert past.frames_topic("door") == "$aws/rules/mine_frames/sightline/v1/door/frames"
    with pytest.raises(ConfigError, match="frames_rule: expected a topic rule's name"):
        load(tmp_path, WHOLE.replace("port = 18883", 'frames_rule = "a/b"'))
