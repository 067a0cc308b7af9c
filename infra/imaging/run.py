"""Run a handler out of an assembled container, without Docker, as Lambda would run it.

Lambda's Runtime API is ours (`infra.local.lambda_service`); interpreter and C library are this
machine's. Of this machine's packages nothing is on the path: what the container lacks, is missing.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.account import translated
from infra.imaging.layout import CODE, ENGINE, ENTRYPOINT, Layout
from infra.local.deployed import role_credentials
from infra.local.lambda_service.function import Function
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import VERSION, Invocation, Outcome, failure
from infra.local.lambda_service.runtime_api import RuntimeApi
from infra.target import Target
from sightline.errors import ConfigError
from sightline.topics import topic

START_S = 60.0
ANSWER_S = 60.0


class ContainerRun:
    """One worker, from `__enter__`, which does not wait for it, to `__exit__`."""

    def __init__(
        self,
        layout: Layout,
        handler: str,
        environment: Mapping[str, str],
        *,
        folder: Path = Path("/"),
        before: Sequence[str] = (),
        core: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            layout: What to run from.
            handler: Such as `cloud.recognize.handler`.
            environment: Of the function: its settings, region and credentials.
            folder: The working directory.
            before: A command that runs the worker's, such as one that makes the layout read-only.
            core: The one processor core that it may use; None: any.
        """
        self._function = Function(
            name=handler.split(".")[1],
            handler=handler,
            folder=layout.place(CODE),
            python=Path(sys.executable),
            environment=environment,
        )
        # -S: no site-packages. The container's interpreter has a pip there, this one anything.
        self._command = [*before, sys.executable, "-S", *ENTRYPOINT[1:], handler]
        self._folder, self._core = folder, core
        self._environment = {
            **layout.environment,
            "AWS_LAMBDA_FUNCTION_NAME": self._function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": self._function.region,
            "AWS_DEFAULT_REGION": self._function.region,
            # The operator's own keys are not the function's.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
            **environment,
        }
        self._handover = Handover()
        self._output: list[bytes] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            # The container's own entrypoint, as on Lambda: nothing boots it, to keep a secret.
            self._api = RuntimeApi(self._function, self._handover, guarded=False)
            undo.callback(self._api.close)
            with on_core(self._core):  # which is inherited
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    env={**self._environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            undo.pop_all()
        self._reader = threading.Thread(target=self._read, name="container output", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=5)
        self._api.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has written; all of it once it has been left."""
        return b"".join(self._output).decode(errors="replace")

    def start_error(self) -> str | None:
        """Wait until it asks for its first event; None, or why it does not."""
        end = self._handover.wait_ready(START_S)
        if end == "ready":
            return None
        if end == "init_failed":
            return (self._handover.init_error or b"").decode(errors="replace")
        if end == "ended":
            self._reader.join(timeout=5)
            return self.output
        return f"nothing within {START_S:g} s"

    def invoke(self, payload: bytes) -> Outcome:
        """Hand it an event, JSON, and wait for what comes of it; it need not have started yet."""
        self._handover.offer(Invocation(payload=payload, waiting=True), ANSWER_S)
        outcome = self._handover.wait_outcome(ANSWER_S)
        if isinstance(outcome, Outcome):
            return outcome
        return failure("Sandbox", f"{outcome}: {self.output}")

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        with self._process.stdout as stream:
            self._output.extend(stream)
        self._handover.end()


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep the calling thread, and the processes that it starts meanwhile, on one core.

    Raises:
        ConfigError: This system cannot.
    """
    if core is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError("this system cannot keep a process on one core; Linux can")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def deployed_environment(target: Target, layout: Layout, gallery_folder: Path) -> dict[str, str]:
    """What the recognition function of a stack finds in its environment, its role's keys included.

    Args:
        target: The stack.
        layout: Holds the engine.
        gallery_folder: Stands for the worker's own disk.

    Raises:
        ConfigError: The stack refuses.
        TransportError: It is out of reach.
    """
    account, name = target.account, target.output("RecognizeFunction")
    with translated(f"reading the function {name}"):
        settings = account.client("lambda").get_function_configuration(FunctionName=name)
    return {
        **settings["Environment"]["Variables"],
        **role_credentials(account, settings["Role"], name)(),
        "AWS_REGION": account.region,
        **({"AWS_ENDPOINT_URL": account.endpoint} if account.endpoint else {}),
        "SIGHTLINE_ENGINE": layout.engine,
        "SIGHTLINE_MODELS": str(layout.place(ENGINE)),
        "SIGHTLINE_GALLERY_FOLDER": str(gallery_folder),
    }


def frame_event(device: str, key: str) -> bytes:
    """What the topic rule makes of a device's reference to the frame under *key*."""
    event = {
        "payload": b64encode(json.dumps({"key": key}).encode()).decode(),
        "topic": topic(device, "frames"),
        "client": device,
        "received_ms": int(datetime.now(UTC).timestamp() * 1000),
    }
    return json.dumps(event).encode()
