"""The gateway less MiniStack's own switches, with state saved while it runs. Runs inside MiniStack.

- Switches and websockets are off: any web page that the machine's browser shows could post a reset,
  or open an MQTT session.
- While the disk is full nothing more is taken for keeping, and whoever sends it tries again later;
  MiniStack says 200, and has forgotten it after a restart.
"""

import asyncio
import itertools
import logging
import os
import re
import shutil
import signal
from typing import Any

from infra.local.ministack.snapshot import fork, save

SAVE_ANYWAY_EVERY = 12  # ticks

log = logging.getLogger(__name__)

# What is left of MiniStack's own paths: health and readiness, the CA's certificate, and a
# function's code, to which get-function's answer points.
_OPEN_SWITCHES = (
    "/_ministack/health",
    "/_ministack/ready",
    "/_ministack/iot/ca.pem",
    "/_ministack/lambda-code/",
)


# The services that keep what a client may go on to throw away, by their name in a signature.
_KEEPERS = re.compile(rb"Credential=[^/]+/\d+/[^/]+/(s3|dynamodb|sqs)/")


class Gateway:
    """MiniStack's ASGI application, less its switches, with its state saved while it runs.

    State is saved every few seconds in which it changed. The snapshot is a fork's: it sees all of
    memory at one moment, between two steps of the event loop, while requests go on being served. A
    copy made in the loop would hold up every request for as long as it takes.
    """

    def __init__(self, app: Any, *, folder: str, save_every_s: float, least_free: int) -> None:
        """Take nothing for keeping while the disk of *folder* has fewer than *least_free* bytes."""
        self._app = app
        self._folder = folder
        self._save_every_s = save_every_s
        self._least_free = least_free
        self._changed = False
        self._child: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve as MiniStack does, and note what may change state."""
        path = scope.get("path", "")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if path.startswith("/_") and not path.startswith(_OPEN_SWITCHES):
            await _refuse(send)
            return
        if scope["type"] == "http" and _is_for_keeping(scope) and self._is_full():
            log.error("the disk of %s is full: nothing is taken until there is room", self._folder)
            await _refuse_for_now(send)
            return
        if scope["type"] == "lifespan":
            # The loop keeps only weak references to tasks, hence the attribute.
            self._task = asyncio.get_running_loop().create_task(self._run())
            receive = self._settled(receive)
        try:
            await self._app(scope, receive, send)
        finally:
            # Not before: a snapshot in between would miss the change, and think it had it.
            if scope["type"] == "http" and not _only_reads(scope):
                self._changed = True

    def _is_full(self) -> bool:
        return shutil.disk_usage(self._folder).free < self._least_free

    def _settled(self, receive: Any) -> Any:
        """Wrap *receive*, so that no snapshot is under way when MiniStack saves for the last time.

        One that ended later would put what it saw over what is newer.
        """

        async def receive_settled() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._task.cancel()
                if self._child is not None:
                    os.kill(self._child, signal.SIGKILL)
                    os.waitpid(self._child, 0)
            return message

        return receive_settled

    async def _run(self) -> None:
        for tick in itertools.count(1):
            await asyncio.sleep(self._save_every_s)
            # What came over MQTT, shadows and retained messages, did not pass here.
            self._changed = self._changed or tick % SAVE_ANYWAY_EVERY == 0
            if self._changed and self._reap():
                self._changed = False
                self._child = fork(save)

    def _reap(self) -> bool:
        """Whether no snapshot is under way any more."""
        if self._child is not None:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid == 0:
                return False
            if status:
                log.warning("a snapshot of the state failed (status %d)", status)
                self._changed = True
            self._child = None
        return True


async def _refuse(send: Any) -> None:
    await send({"type": "http.response.start", "status": 403, "headers": []})
    await send({"type": "http.response.body", "body": b"not served here\n"})


async def _refuse_for_now(send: Any) -> None:
    """Answer so that every AWS client tries again: 503, and no body it could stumble over."""
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _is_for_keeping(scope: Any) -> bool:
    """Whether a request brings something to a service that is to keep it."""
    if scope["method"] not in ("PUT", "POST") or _only_reads(scope):
        return False
    signed = next((v for k, v in scope["headers"] if k.lower() == b"authorization"), b"")
    return _KEEPERS.search(signed) is not None


def _only_reads(scope: Any) -> bool:
    """Whether a request cannot change state, so far as its head tells."""
    if scope["method"] in ("GET", "HEAD"):
        return True
    target = next((v for k, v in scope["headers"] if k.lower() == b"x-amz-target"), b"")
    action = target.partition(b".")[2]
    return bool(action.startswith((b"Get", b"BatchGet", b"Describe", b"List", b"Query", b"Scan")))
