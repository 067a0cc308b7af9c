"""What a device of a fleet keeps of who it is: a folder `identity` beside its settings.

`current.json` names the device, its certificate and its key, and is put in place in one step, last:
whatever moment the power goes at, what it names is whole, and the old one or the new one. Until
then what is under way lies beside it, so that the next start goes on where this one ended:

| file           | mode | what it is                                                      |
|----------------|------|-----------------------------------------------------------------|
| `current.json` | 644  | thing, serial number, certificate's id                          |
| `<id>.pem`     | 644  | the certificate, named by the first 16 digits of its id         |
| `<id>.key`     | 600  | its private key, which never leaves this folder                 |
| `new.key`      | 600  | the key of a certificate that is being asked for                |
| `pending.json` | 600  | a certificate that is not a thing's yet, and its ownership token|
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_serial
from sightline.topics import check_device

FOLDER = "identity"
Write = Callable[[Path, bytes, int], None]  # path, content, mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Who the device is."""

    thing: str
    serial: str
    certificate_id: str
    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A certificate of ours that is not a thing's yet, so far as we know."""

    certificate_id: str
    certificate: str  # PEM
    token: str = field(repr=False)  # shows to AWS IoT that it is ours, for an hour


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file in one step: whoever looks, even after a power cut, sees the old or the new."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(settings: Path) -> Kept | None:
    """Read who the device is whose settings are at *settings*; None: it has not joined yet.

    Raises:
        ConfigError: What is kept cannot be read.
    """
    return IdentityFolder(settings.absolute().parent / FOLDER).current()


class IdentityFolder:
    """The folder; only who holds its `lock` may write."""

    def __init__(self, path: Path, *, write: Write = write_whole) -> None:
        self.path = path
        self._write = write

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Make it, and keep it to ourselves: two agents would be one device twice.

        Raises:
            ConfigError: Another agent has it, or it cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as err:
            raise self._unwritable(err) from err
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as err:
                raise ConfigError(
                    f"{self.path}: another agent uses this identity; stop it first"
                ) from err
            self._clear()
            yield
        finally:
            os.close(descriptor)

    def current(self) -> Kept | None:
        """Give who the device is; None: it has not joined yet."""
        text = self._text("current.json")
        if text is None:
            return None
        try:
            kept = json.loads(text)
            name = str(kept["certificate_id"])[:16]
            return Kept(
                thing=check_device(kept["thing"]),
                serial=check_serial(kept["serial"]),
                certificate_id=str(kept["certificate_id"]),
                certificate=self.path / f"{name}.pem",
                private_key=self.path / f"{name}.key",
            )
        except (ValueError, KeyError, TypeError, MessageError) as err:
            raise self._damaged("current.json") from err

    def pending(self) -> Pending | None:
        """Give the certificate that is under way, if there is one and its key."""
        text, key = self._text("pending.json"), self.new_key()
        if text is None or key is None:
            return None
        try:
            kept = json.loads(text)
            return Pending(
                certificate_id=kept["certificate_id"],
                certificate=kept["certificate"],
                token=kept["token"],
            )
        except (ValueError, KeyError, TypeError) as err:
            raise self._damaged("pending.json") from err

    def new_key(self) -> bytes | None:
        """Give the key, PEM, of the certificate that is being asked for."""
        text = self._text("new.key")
        return None if text is None else text.encode()

    def keep_new_key(self, pem: bytes) -> None:
        """Keep the key that a certificate is about to be asked for with."""
        self._put("new.key", pem, 0o600)

    def keep_pending(self, pending: Pending) -> None:
        """Keep a certificate that is about to become a thing's."""
        content = {
            "certificate_id": pending.certificate_id,
            "certificate": pending.certificate,
            "token": pending.token,
        }
        self._put("pending.json", json.dumps(content).encode(), 0o600)

    def forget_pending(self) -> None:
        """Give up a certificate that cannot become a thing's any more; its key may serve again."""
        (self.path / "pending.json").unlink(missing_ok=True)

    def stage(self, pending: Pending, *, thing: str, serial: str) -> Kept:
        """Write certificate and key under the names that they will have; nothing refers to them.

        Raises:
            ConfigError: The folder cannot be written, or the key is gone.
        """
        key, name = self.new_key(), pending.certificate_id[:16]
        if key is None:
            raise self._damaged("new.key")
        self._put(f"{name}.key", key, 0o600)
        self._put(f"{name}.pem", pending.certificate.encode(), 0o644)
        return Kept(
            thing=thing,
            serial=serial,
            certificate_id=pending.certificate_id,
            certificate=self.path / f"{name}.pem",
            private_key=self.path / f"{name}.key",
        )

    def commit(self, kept: Kept) -> None:
        """From here on the device is *kept*; what it was before is deleted."""
        content = {
            "thing": kept.thing,
            "serial": kept.serial,
            "certificate_id": kept.certificate_id,
        }
        self._put("current.json", json.dumps(content, indent=1).encode(), 0o644)
        self._clear()

    def _clear(self) -> None:
        """Delete what a finished change left, and a write that broke off: old keys above all."""
        for path in self.path.glob(".*.new"):
            path.unlink()
        kept = self.current()
        if kept is None:
            return
        pending = self.pending()
        if pending is not None and pending.certificate_id == kept.certificate_id:
            # In this order: a key that stayed alone would be taken for the next certificate's.
            (self.path / "new.key").unlink()
        if self.new_key() is None:
            self.forget_pending()
        wanted = {kept.certificate, kept.private_key}
        for path in (*self.path.glob("*.pem"), *self.path.glob("*.key")):
            if path not in wanted and path.name != "new.key":
                path.unlink()

    def _text(self, name: str) -> str | None:
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"{path}: cannot be read: {err}") from err

    def _put(self, name: str, data: bytes, mode: int) -> None:
        try:
            self._write(self.path / name, data, mode)
        except OSError as err:
            raise self._unwritable(err) from err

    def _unwritable(self, err: OSError) -> ConfigError:
        return ConfigError(
            f"{self.path}: cannot be written: {err.strerror or err}; a device of a fleet keeps its "
            "key there, so let the agent's user own the folder"
        )

    def _damaged(self, name: str) -> ConfigError:
        return ConfigError(
            f"{self.path / name}: it is not what the agent wrote; delete the folder {self.path}, "
            "put the fleet's claim back, and release the serial number: ./run serials release"
        )
