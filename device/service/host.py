"""The machine that a service is put onto, as far as that changes it."""

import grp
import os
import platform
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from sightline.errors import ConfigError


class Host(Protocol):
    """This machine; tests have one of their own."""

    python: Path  # the interpreter that is to run the agent

    def machine(self) -> str:
        """Name its processor, as `uname -m` does."""
        ...

    def is_64_bit(self) -> bool:
        """Tell whether programs are."""
        ...

    def is_root(self) -> bool:
        """Tell whether we may change it."""
        ...

    def has_systemd(self) -> bool:
        """Tell whether systemd runs it."""
        ...

    def has_package(self, name: str) -> bool:
        """Tell whether the interpreter finds a package, wherever it is started."""
        ...

    def run(self, command: Sequence[str], *, may_fail: bool = False) -> None:
        """Run a command.

        Raises:
            ConfigError: It failed, and may not.
        """
        ...

    def give(self, path: Path, user: str, group: str) -> None:
        """Make *user* and *group* the owners of *path*."""
        ...


class ThisHost:
    """See `Host`."""

    def __init__(self) -> None:
        self.python = Path(sys.executable)

    def machine(self) -> str:
        """See `Host.machine`."""
        return platform.machine()

    def is_64_bit(self) -> bool:
        """See `Host.is_64_bit`."""
        return sys.maxsize > 2**32

    def is_root(self) -> bool:
        """See `Host.is_root`."""
        return os.geteuid() == 0

    def has_systemd(self) -> bool:
        """See `Host.has_systemd`."""
        return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None

    def has_package(self, name: str) -> bool:
        """See `Host.has_package`; our own is looked for as the service will."""
        if name != "device":
            return find_spec(name) is not None
        command = [str(self.python), "-P", "-c", "import device"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, check=False)
        return done.returncode == 0

    def run(self, command: Sequence[str], *, may_fail: bool = False) -> None:
        """See `Host.run`."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as err:
            if may_fail:
                return
            raise ConfigError(f"{command[0]}: {err.strerror or err}") from err
        if done.returncode and not may_fail:
            said = " ".join((done.stderr or done.stdout).split())[:300]
            raise ConfigError(f"`{' '.join(command)}` failed: {said or done.returncode}")

    def give(self, path: Path, user: str, group: str) -> None:
        """See `Host.give`; a link that somebody put there is not followed."""
        os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid, follow_symlinks=False)
