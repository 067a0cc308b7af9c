"""What `sightline-device install` does: a list of steps, each of which may be done again."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from device.joining.kept_identity import FOLDER as IDENTITY
from device.joining.kept_identity import write_whole
from device.network import identity
from device.service.host import Host
from device.settings import Settings
from sightline.errors import ConfigError

NAME = "sightline-device"
USER = "sightline"
CONFIG = Path("/etc/sightline")
STATE = Path("/var/lib/sightline")
UNIT = Path(f"/etc/systemd/system/{NAME}.service")
SYSUSERS = Path("/etc/sysusers.d/sightline.conf")
VENV = "/opt/sightline"  # where users of the system can read it, unlike /home

MACHINES = ("aarch64", "arm64", "x86_64")  # for which the AWS SDK's runtime is built


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it says, and what does it, telling whether that changed anything."""

    says: str
    do: Callable[[], bool]


class Installer:
    """Plans what puts the agent onto *host*, or what takes it off again."""

    def __init__(self, host: Host, *, root: Path = Path("/")) -> None:
        """Work on *host*.

        Args:
            root: Files are written below it. Where that is another folder than `/`, that is all
                that is done: no user, no owner, no start.
        """
        self._host = host
        self._root = root
        self._here = root == Path("/")

    def check(self, folder: Path | None) -> Settings:
        """See that the agent can run here with the settings in *folder*, or those installed before.

        Raises:
            ConfigError: It cannot; the text says why, and how to mend it.
        """
        host = self._host
        if not host.is_64_bit() or host.machine() not in MACHINES:
            raise ConfigError(
                f"this system is {host.machine()}, {'64' if host.is_64_bit() else '32'}-bit: there "
                "is no AWS SDK for it; write the 64-bit Raspberry Pi OS onto the card"
            )
        if self._here and not host.has_systemd():
            raise ConfigError("systemd does not run this machine; start the agent in another way")
        if host.python.is_relative_to("/home") or host.python.is_relative_to("/root"):
            raise ConfigError(
                f"{host.python}: a service may not look into home folders; make the environment "
                f"elsewhere: sudo python3 -m venv --system-site-packages {VENV}"
            )
        if not host.has_package("device"):
            raise ConfigError(
                f"{host.python} has sightline only where it is started here; install it: "
                f"sudo {host.python} -m pip install '.[device]'"
            )
        settings = self._settings(folder)
        if settings.camera.source == "picamera2" and not host.has_package("picamera2"):
            raise ConfigError(
                "picamera2 is missing: sudo apt install python3-picamera2, and make the "
                f"environment so: sudo python3 -m venv --system-site-packages {VENV}"
            )
        return settings

    def install(self, folder: Path | None, settings: Settings, *, start: bool) -> list[Step]:
        """Plan to install; *folder* as `provision` made it, None: settings stay as they are."""
        steps = [self._write(SYSUSERS, _resource("sysusers.conf"), 0o644, "root", "root")]
        if self._here:
            steps.append(self._run("systemd-sysusers", str(SYSUSERS)))
        if folder is not None:
            steps += self._configure(folder.absolute(), settings)
        unit = _resource("sightline-device.service").decode()
        python = str(self._host.python)
        if any(letter.isspace() or letter in "%\"'\\" for letter in python):
            raise ConfigError(f"{python}: a unit cannot name this path; use {VENV}")
        # Who joins a fleet keeps his own key beside the settings.
        writable = f"ReadWritePaths={CONFIG}" if settings.claim else ""
        for place, text in (
            ("@PYTHON@", python),
            ("@CONFIG@", str(CONFIG / "device.toml")),
            ("@WRITABLE@\n", f"{writable}\n" if writable else ""),
        ):
            unit = unit.replace(place, text)
        steps.append(self._write(UNIT, unit.encode(), 0o644, "root", "root"))
        if self._here:
            steps.append(self._run("systemctl", "daemon-reload"))
            steps.append(self._run("systemctl", "enable", NAME))
            if start:
                steps.append(self._run("systemctl", "restart", NAME))
        return steps

    def uninstall(self, *, purge: bool) -> list[Step]:
        """Plan to take it off again; with *purge* its settings, key and frames, too."""
        steps = []
        if self._here:
            steps.append(self._run("systemctl", "disable", "--now", NAME, may_fail=True))
        steps += [self._remove(UNIT), self._remove(SYSUSERS)]
        if self._here:
            steps.append(self._run("systemctl", "daemon-reload"))
        if purge:
            steps += [self._remove(CONFIG), self._remove(STATE)]
            if self._here:
                steps.append(self._run("userdel", USER, may_fail=True))
        return steps

    def _settings(self, folder: Path | None) -> Settings:
        where = folder or self._below(CONFIG)
        path = where / "device.toml"
        if folder is None and not path.is_file():
            raise ConfigError(
                f"{path}: no such file; name the folder that `./run provision` made: "
                f"{NAME} install FOLDER"
            )
        settings = Settings.read(path)
        if settings.claim is None:
            identity.load(settings.iot)
        return settings

    def _configure(self, folder: Path, settings: Settings) -> Iterator[Step]:
        # The agent alone may read its key; what joins a fleet writes here, too.
        owner = USER if settings.claim else "root"
        yield self._folder(CONFIG, 0o700 if settings.claim else 0o750, owner, USER)
        joined = settings.claim and (self._below(CONFIG) / IDENTITY / "current.json").is_file()
        named = {
            settings.iot.ca: (0o644, "root"),
            settings.iot.certificate: (0o644, "root"),
            settings.iot.private_key: (0o600, USER),
        }
        for path, (mode, user) in named.items():
            if not path.is_relative_to(folder):
                continue  # where it stands the operator has put it, and sees to it
            if joined and not path.is_file():
                continue  # a claim's key, which is deleted once it was used
            target = CONFIG / path.relative_to(folder)
            yield self._write(target, _read(path), mode, user, USER)
        toml = folder / "device.toml"
        yield self._write(CONFIG / "device.toml", _read(toml), 0o640, "root", USER)

    def _below(self, path: Path) -> Path:
        return self._root / path.relative_to("/")

    def _write(self, path: Path, data: bytes, mode: int, user: str, group: str) -> Step:
        target = self._below(path)

        def do() -> bool:
            target.parent.mkdir(parents=True, exist_ok=True)
            same = (
                target.is_file()
                and target.read_bytes() == data
                and target.stat().st_mode & 0o7777 == mode
            )
            if not same:
                write_whole(target, data, mode)
            if self._here:
                self._host.give(target, user, group)
            return not same

        return Step(says=f"write {target} ({mode:o}, {user}:{group})", do=do)

    def _folder(self, path: Path, mode: int, user: str, group: str) -> Step:
        target = self._below(path)

        def do() -> bool:
            made = not target.is_dir()
            target.mkdir(parents=True, exist_ok=True)
            target.chmod(mode)
            if self._here:
                self._host.give(target, user, group)
            return made

        return Step(says=f"make {target} ({mode:o}, {user}:{group})", do=do)

    def _remove(self, path: Path) -> Step:
        target = self._below(path)

        def do() -> bool:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
                return True
            there = target.exists() or target.is_symlink()
            target.unlink(missing_ok=True)
            return there

        return Step(says=f"remove {target}", do=do)

    def _run(self, *command: str, may_fail: bool = False) -> Step:
        def do() -> bool:
            self._host.run(command, may_fail=may_fail)
            return True

        return Step(says=f"run {' '.join(command)}", do=do)


def _resource(name: str) -> bytes:
    return (files("device.service") / name).read_bytes()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
