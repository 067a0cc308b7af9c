"""The unit, and what puts it onto a Pi: tried below a folder, on a machine that takes notes."""

import configparser
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from device.service.command import main
from device.service.installing import CONFIG, STATE, SYSUSERS, UNIT, Installer
from device.settings import Settings
from sightline.errors import ConfigError
from tests.device.authority import Authority
from tests.device.test_settings import WHOLE

HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "DevicePolicy": "closed",
    "CapabilityBoundingSet": "",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
}


class Pi:
    """See `device.service.host.Host`."""

    def __init__(self) -> None:
        self.python = Path("/opt/sightline/bin/python")
        self.name, self.bits, self.root, self.systemd = "aarch64", 64, True, True
        self.packages = {"device", "picamera2"}
        self.ran: list[str] = []
        self.owners: dict[str, str] = {}

    def machine(self) -> str:
        return self.name

    def is_64_bit(self) -> bool:
        return self.bits == 64

    def is_root(self) -> bool:
        return self.root

    def has_systemd(self) -> bool:
        return self.systemd

    def has_package(self, name: str) -> bool:
        return name in self.packages

    def run(self, command: Sequence[str], *, may_fail: bool = False) -> None:
        self.ran.append(" ".join(command))

    def give(self, path: Path, user: str, group: str) -> None:
        self.owners[path.name] = f"{user}:{group}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A device's folder, as `provision` makes it."""
    folder = tmp_path / "front-door"
    folder.mkdir()
    device = Authority(folder, "ca").issue("certificate")
    device.private_key.rename(folder / "private.key")
    (folder / "device.toml").write_text(WHOLE.replace("/secret/private.key", "private.key"))
    return folder


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def unit_of(text: str) -> dict[str, list[str]]:
    """Read a unit: a key may stand several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(key, []).append(value)
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    assert parser.sections() == ["Unit", "Service", "Install"]
    return found


def installed(folder: Path, root: Path, *options: str) -> str:
    assert main(["install", str(folder), "--root", str(root), *options], Pi()) == 0
    return below(root, UNIT).read_text()


def test_all_files_are_written_below_a_folder_with_their_modes(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    pi = Pi()

    assert main(["install", str(folder), "--root", str(root)], pi) == 0

    config = below(root, CONFIG)
    assert {path.name: mode(path) for path in config.iterdir()} == {
        "device.toml": 0o640,
        "ca.pem": 0o644,
        "certificate.pem": 0o644,
        "private.key": 0o600,
    }
    assert mode(config) == 0o750
    assert Settings.read(config / "device.toml").iot.private_key == config / "private.key"
    assert below(root, SYSUSERS).read_text().count("u sightline ") == 1
    assert (pi.ran, pi.owners) == ([], {})  # of this machine nothing was changed


def test_the_unit_is_hardened_watched_and_never_given_up(folder: Path, tmp_path: Path) -> None:
    text = installed(folder, tmp_path / "root")
    unit = unit_of(text)

    assert "@" not in text.replace("@system-service", "")
    assert unit["ExecStart"] == [
        "/opt/sightline/bin/python -P -X faulthandler -m device --config /etc/sightline/device.toml"
    ]
    for key, value in HARDENED.items():
        assert unit[key] == [value], key
    assert (unit["User"], unit["StateDirectory"]) == (["sightline"], ["sightline"])
    assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == (
        ["notify"],
        ["always"],
        ["0"],
    )
    assert int(unit["WatchdogSec"][0]) >= 60
    assert {"MemoryHigh", "MemoryMax", "DeviceAllow"} <= set(unit)
    assert "ReadWritePaths" not in unit


def test_systemd_itself_finds_nothing_wrong_with_it(folder: Path, tmp_path: Path) -> None:
    text = installed(folder, tmp_path / "root").replace("/opt/sightline/bin/python", "/bin/true")
    path = tmp_path / "sightline-device.service"
    path.write_text(text)
    if shutil.which("systemd-analyze"):  # where it is not, the tests above read it
        done = subprocess.run(
            ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
        )
        assert "sightline-device.service" not in done.stderr


def test_installing_makes_user_owners_and_service_and_may_be_done_again(
    folder: Path, tmp_path: Path
) -> None:
    pi = Pi()
    installer = Installer(pi)  # its steps are only looked at where they would write
    steps = installer.install(folder, installer.check(folder), start=True)
    said = [step.says for step in steps]

    assert [line for line in said if line.startswith("run")] == [
        "run systemd-sysusers /etc/sysusers.d/sightline.conf",
        "run systemctl daemon-reload",
        "run systemctl enable sightline-device",
        "run systemctl restart sightline-device",
    ]
    assert "write /etc/sightline/private.key (600, sightline:sightline)" in said
    assert "write /etc/sightline/device.toml (640, root:sightline)" in said
    assert said.index("run systemd-sysusers /etc/sysusers.d/sightline.conf") < said.index(
        "make /etc/sightline (750, root:sightline)"
    )


def test_a_second_time_nothing_is_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    installed(folder, root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    capsys.readouterr()
    installed(folder, root)

    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert all("it is so already" in line for line in capsys.readouterr().out.splitlines())


def test_without_a_folder_the_settings_stay_as_they_are(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    installed(folder, root)
    toml = below(root, CONFIG) / "device.toml"
    toml.write_text(toml.read_text().replace("interval_s = 1", "interval_s = 2"))
    below(root, UNIT).unlink()

    assert main(["install", "--root", str(root)], Pi()) == 0
    assert "interval_s = 2" in toml.read_text()
    assert below(root, UNIT).is_file()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, pi = tmp_path / "root", Pi()
    pi.root = False

    assert main(["install", str(folder), "--dry-run", "--root", str(root)], pi) == 0
    assert main(["install", str(folder), "--dry-run"], pi) == 0
    assert main(["uninstall", "--dry-run", "--purge"], pi) == 0

    out = capsys.readouterr().out
    assert all(line.startswith("would ") for line in out.splitlines())
    assert "would run systemctl restart sightline-device" in out
    assert "would remove /var/lib/sightline" in out
    assert not root.exists()
    assert (pi.ran, pi.owners) == ([], {})


def test_a_device_of_a_fleet_may_write_beside_its_settings(folder: Path, tmp_path: Path) -> None:
    toml = folder / "device.toml"
    text = toml.read_text().replace('thing = "front-door"\n', "")
    toml.write_text(text + '[claim]\ntemplate = "sightline-fleet"\n')
    root = tmp_path / "root"

    unit = unit_of(installed(folder, root))
    assert unit["ReadWritePaths"] == ["/etc/sightline"]
    assert mode(below(root, CONFIG)) == 0o700

    # Once it has joined, the claim's key is gone, and a second installation brings none.
    identity = below(root, CONFIG) / "identity"
    identity.mkdir()
    (identity / "current.json").write_text("{}")
    (below(root, CONFIG) / "private.key").unlink()
    (folder / "private.key").unlink()
    installed(folder, root)
    assert not (below(root, CONFIG) / "private.key").exists()


def test_uninstalling_leaves_settings_and_frames_and_purging_does_not(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    installed(folder, root)
    below(root, STATE).mkdir(parents=True)

    assert main(["uninstall", "--root", str(root)], Pi()) == 0
    assert not below(root, UNIT).exists()
    assert (below(root, CONFIG) / "private.key").is_file()
    for _ in range(2):
        assert main(["uninstall", "--root", str(root), "--purge"], Pi()) == 0
    assert not below(root, CONFIG).exists()
    assert not below(root, STATE).exists()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"name": "armv7l", "bits": 32}, "64-bit Raspberry Pi OS"),
        ({"bits": 32}, "64-bit Raspberry Pi OS"),
        ({"systemd": False}, "systemd does not run this machine"),
        ({"root": False}, "sudo sightline-device install"),
        ({"python": Path("/home/pi/sightline/bin/python")}, "venv --system-site-packages /opt"),
        ({"python": Path("/opt/my folder/bin/python")}, "a unit cannot name this path"),
        ({"packages": {"picamera2"}}, "pip install '.[device]'"),
        ({"packages": {"device"}}, "sudo apt install python3-picamera2"),
    ],
)
def test_what_keeps_it_from_running_is_told_before_anything_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, object], expected: str
) -> None:
    pi = Pi()
    for name, value in wrong.items():
        setattr(pi, name, value)

    assert main(["install", str(folder)], pi) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == 1
    assert (pi.ran, pi.owners) == ([], {})


def test_a_folder_that_cannot_be_used_is_named(folder: Path, tmp_path: Path) -> None:
    installer = Installer(Pi(), root=tmp_path)
    with pytest.raises(ConfigError, match=r"name the folder that `\./run provision` made"):
        installer.check(None)
    with pytest.raises(ConfigError, match="no such file"):
        installer.check(tmp_path / "nowhere")
    (folder / "private.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        installer.check(folder)
    (folder / "certificate.pem").unlink()
    with pytest.raises(ConfigError, match=r"certificate\.pem: no such file"):
        installer.check(folder)


def test_a_key_that_lies_elsewhere_is_left_there(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "private.key"
    (folder / "private.key").rename(elsewhere)
    toml = folder / "device.toml"
    toml.write_text(toml.read_text().replace('"private.key"', f'"{elsewhere}"'))
    installed(folder, tmp_path / "root")

    config = below(tmp_path / "root", CONFIG)
    assert not (config / "private.key").exists()
    assert Settings.read(config / "device.toml").iot.private_key == elsewhere
