"""mosquitto as the broker: MQTT 5 over mutual TLS, and topics by the certificate's name.

It stands in where broker faults are to be tested apart from the rest of AWS: it keeps sessions on
disk, and may be killed. Each device has the topics of its own name alone, as the template's IoT
policy has it; the one named `CLOUD` hears and answers all.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.authority import Authority
from infra.local.ports import LOOPBACK, free_port
from sightline.errors import ConfigError
from sightline.topics import PREFIX

CLOUD = "cloud"
KEEP_ALIVE_S = 10  # of every client, whatever it asks for: the least that mosquitto takes
_NOBODY = 65534
_START_S = 10.0

_CONFIG = """\
listener {port} {loopback}
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.pem
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {folder}/acl
max_keepalive {keep_alive_s}
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
log_dest file {folder}/log
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
"""
# A pattern counts for everybody, with the certificate's name for %u.
_ACL = f"""\
user {CLOUD}
topic read {PREFIX}/+/frames
topic read {PREFIX}/+/status
topic write {PREFIX}/+/results
topic write {PREFIX}/+/errors
topic write {PREFIX}/+/commands

pattern write {PREFIX}/%u/frames
pattern write {PREFIX}/%u/status
pattern read {PREFIX}/%u/results
pattern read {PREFIX}/%u/errors
pattern read {PREFIX}/%u/commands
pattern readwrite $aws/things/%u/shadow/#
"""


def program() -> Path:
    """Find mosquitto.

    Raises:
        ConfigError: It is not installed.
    """
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # no user's, on Debian
    found = shutil.which("mosquitto", path=places)
    if found is None:
        raise ConfigError(
            "mosquitto is not installed: apt-get install --no-install-recommends mosquitto, or "
            "brew install mosquitto"
        )
    return Path(found)


class Mosquitto:
    """A broker at one port of loopback; it runs from `start` (or `with`) to `stop`.

    It starts again with all that it had, also after `kill`. Its folder, which is under the
    machine's folder for temporary files, goes at the end of the `with`.
    """

    def __init__(self, authority: Authority) -> None:
        """Prepare; clients and broker are to be known by certificates of *authority*."""
        self._program = program()
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="sightline-mosquitto-"))
        self._process: subprocess.Popen[bytes] | None = None
        (self._folder / "ca.pem").write_text(authority.pem)
        authority.write_server_certificate(self._folder / "server.pem")
        (self._folder / "acl").write_text(_ACL)
        (self._folder / "config").write_text(
            _CONFIG.format(
                port=self.port, loopback=LOOPBACK, folder=self._folder, keep_alive_s=KEEP_ALIVE_S
            )
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
        self.remove()

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return None if self._process is None else self._process.pid

    def log(self) -> str:
        """What it logged."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            ConfigError: It does not; the text has its last words.
        """
        command = [str(self._program), "-c", str(self._folder / "config")]
        if os.geteuid() == 0:  # it would become a user that need not be there
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, _NOBODY, _NOBODY)
            command = [
                *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
                *("--no-new-privs", "--bounding-set=-all", "--", *command),
            ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + _START_S
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.kill()
                last = (self.log().splitlines() or ["it said nothing"])[-1]
                raise ConfigError(f"mosquitto does not start: {last}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a word to anybody, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it orderly; safe to call twice."""
        self._end(signal.SIGTERM)

    def remove(self) -> None:
        """Delete its folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
