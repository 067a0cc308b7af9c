"""The folder in which a local stack keeps everything: one stack at a time, nobody else's."""

import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.ministack.server import RootKey
from infra.provisioning.private_key import write_private
from sightline.errors import ConfigError

LEAST_FREE_BYTES = 64 * 1024 * 1024  # below, a save of the state may fail half-way through a demo
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class StateFolder:
    """Holds the folder's lock from `__enter__` to `__exit__`.

    The kernel lets go of the lock when the process ends, however it ends, so none is ever stale.
    """

    def __init__(self, path: Path, *, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
        self.path = path.absolute()
        self._least_free_bytes = least_free_bytes
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            ConfigError: It cannot be written, its disk is full, or a stack runs there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            self._check_writable()
        except OSError as err:
            self._release()
            raise ConfigError(
                f"cannot write to the state folder {self.path}: {err.strerror}; mend that, or "
                "choose another with --state"
            ) from err
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._release()

    def root_key(self) -> RootKey:
        """Return the local account's root key, made on first use."""
        path = self.path / "root.json"
        if not path.is_file():
            key_id = "AKIA" + "".join(secrets.choice(_BASE32) for _ in range(16))
            write_private(
                path, json.dumps({"key_id": key_id, "secret": secrets.token_urlsafe(30)}).encode()
            )
        try:
            return RootKey(**json.loads(path.read_text()))
        except (ValueError, TypeError) as err:
            raise ConfigError(
                f"{path} is damaged; delete it, and the next start makes another"
            ) from err

    def _take_lock(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            pid = os.read(self._lock, 32).decode(errors="replace").strip()
            raise ConfigError(
                f"a stack is already running here (pid {pid or 'unknown'}), on {self.path}; stop "
                "it with Ctrl-C, or choose another folder with --state"
            ) from err

    def _check_writable(self) -> None:
        if self._lock is None:
            return
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        os.fsync(self._lock)  # a full disk shows here at the latest
        free = shutil.disk_usage(self.path).free
        if free < self._least_free_bytes:
            raise ConfigError(
                f"only {free // 1024**2} MB are left on the disk of {self.path}, and "
                f"{self._least_free_bytes // 1024**2} MB are needed; free some, or choose another "
                "folder with --state"
            )

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
