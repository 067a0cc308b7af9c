"""Start and stop MiniStack."""

import contextlib
import http.client
import logging
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.ports import LOOPBACK
from infra.packaging import PROJECT
from sightline.errors import ConfigError, TransportError

LAUNCHER = "infra.local.ministack.launcher"
START_WITHIN_S = 60.0  # half a second is usual; a Pi's card may take ten
STOP_WITHIN_S = 20.0
REGION = "us-east-1"
ACCOUNT = "000000000000"
LEAST_FREE_BYTES = 16 * 1024 * 1024  # room for one more save of all state, which comes first

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKey:
    """The key of the local account's owner. It opens everything there, and nothing elsewhere."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How to run MiniStack.

    Attributes:
        python: The interpreter of MiniStack's own virtual environment.
        folder: Where state, objects and the log lie.
        functions: Where invocations of each function are forwarded to, as `name: URL`;
            a URL is a secret, as is the root key.
        save_every_s: How much of the last changes a kill may lose.
        least_free_bytes: With less on the disk, nothing more is taken for keeping.
        workers: How many messages of a queue are given to its function at once, at most.
    """

    python: Path
    folder: Path
    gateway_port: int
    mqtt_port: int
    root: RootKey
    functions: Mapping[str, str] = field(default_factory=dict, repr=False)
    save_every_s: float = 5.0
    least_free_bytes: int = LEAST_FREE_BYTES
    workers: int = 1

    def environment(self) -> dict[str, str]:
        """Everything the process sees: nothing of the caller's own AWS configuration."""
        return {
            **{k: os.environ[k] for k in ("PATH", "LANG", "TZ", "HOME") if k in os.environ},
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.root.key_id,
            "AWS_SECRET_ACCESS_KEY": self.root.secret,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.gateway_port),
            "IOT_MTLS_PORT": str(self.mqtt_port),
            "SFTP_ENABLED": "0",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_HOST": "localhost",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "objects"),
            "TMPDIR": str(self.folder / "tmp"),  # its pid file, and functions' code
            "LOG_LEVEL": "WARNING",
            "DOCKER_HOST": "unix:///nonexistent",  # it would remove containers it takes for its own
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PROJECT),  # for the launcher; its environment has none of our code
            "PYTHONSAFEPATH": "1",  # and nothing from the folder it runs in
            "SIGHTLINE_SAVE_EVERY_S": str(self.save_every_s),
            "SIGHTLINE_LEAST_FREE_BYTES": str(self.least_free_bytes),
            "SIGHTLINE_WORKERS": str(self.workers),
            **{f"MINISTACK_LAMBDA_PROXY_{name}": url for name, url in self.functions.items()},
        }


class MiniStackServer:
    """MiniStack, running from `start` to `stop`.

    From `open_broker` on devices can connect, and functions are invoked.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The gateway: boto3's endpoint for every service."""
        return f"http://{LOOPBACK}:{self._settings.gateway_port}"

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """What it writes; the place to look when something is odd."""
        return self._settings.folder / "ministack.log"

    def start(self) -> None:
        """Start and wait until the gateway serves.

        Raises:
            ConfigError: It cannot be started, or ends at once.
        """
        settings = self._settings
        for name in ("state", "objects", "tmp"):
            (settings.folder / name).mkdir(parents=True, exist_ok=True)
        settings.folder.chmod(0o700)  # pictures of people, and the CA's key
        try:
            with self.log_path.open("wb") as output:
                self._process = subprocess.Popen(
                    [str(settings.python), "-m", LAUNCHER],
                    stdin=subprocess.PIPE,  # its end tells the launcher that we are gone
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=settings.environment(),
                    cwd=settings.folder,
                    start_new_session=True,  # Ctrl-C is ours to hear; we stop it in our order
                )
        except OSError as err:
            raise ConfigError(
                f"cannot run MiniStack with {settings.python}: {err.strerror}; "
                "let ./run make its virtual environment again"
            ) from err
        try:
            self._await("/_ministack/health", lambda status, _body: status == HTTPStatus.OK)
        except BaseException:
            self.stop()
            raise

    def open_broker(self) -> None:
        """Let devices connect, and functions be invoked.

        Raises:
            ConfigError: The port is taken, or MiniStack's environment lacks `cryptography`.
        """
        if self._process is None:
            raise ConfigError("MiniStack is not running: start it first")
        self._tell("open")
        body = self._await(
            "/_ministack/ready", lambda status, body: status == HTTPStatus.OK or b"degr" in body
        )
        if b'"listening"' not in body:
            raise ConfigError(
                f"MiniStack's MQTT listener is not up on port {self._settings.mqtt_port}: is "
                "`cryptography` installed in its virtual environment, and the port free?"
            )

    def hold_queues(self) -> None:
        """Take no more messages out of queues: the functions are about to end."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._tell("hold")

    def _tell(self, word: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Past the buffer: what could not be written must not come up again when it is closed.
            os.write(self._process.stdin.fileno(), f"{word}\n".encode())

    def _await(self, path: str, is_good: Callable[[int, bytes], bool]) -> bytes:
        """Ask *path* until the answer is good, and return that."""
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            if self.pid is None:
                raise ConfigError(f"MiniStack ended at once: {self._last_words()}")
            with contextlib.suppress(TransportError):
                status, body = self._get(path)
                if is_good(status, body):
                    return body
            time.sleep(0.05)
        raise ConfigError(
            f"MiniStack is not ready after {START_WITHIN_S:.0f} s; see {self.log_path}"
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        gateway = http.client.HTTPConnection(LOOPBACK, self._settings.gateway_port, timeout=10)
        try:
            gateway.request("GET", path)
            answer = gateway.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as err:
            raise TransportError(f"MiniStack does not answer at {self.url}: {err}") from err
        finally:
            gateway.close()

    def _last_words(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1]} (see {self.log_path})" if lines else f"see {self.log_path}"

    def ca_pem(self) -> str:
        """The certificate authority that signs the broker's and the devices' certificates.

        Raises:
            TransportError: The gateway does not answer.
        """
        status, body = self._get("/_ministack/iot/ca.pem")
        if status != HTTPStatus.OK or b"BEGIN CERTIFICATE" not in body:
            raise TransportError(f"MiniStack gave no CA certificate (status {status})")
        return body.decode()

    def stop(self) -> None:
        """Stop, saving its state; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            log.warning("MiniStack did not stop within %.0f s; killed", STOP_WITHIN_S)
            process.kill()
            process.wait()


def ministack_python() -> Path:
    """Where `run` put MiniStack."""
    given = os.environ.get("SIGHTLINE_MINISTACK_PYTHON")
    return Path(given) if given else PROJECT / ".venv-ministack" / "bin" / "python"
