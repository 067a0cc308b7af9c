"""Run MiniStack as this project needs it. Started by `server.py` inside MiniStack's own venv.

This module and those it brings in import the standard library and MiniStack alone. What is changed
stands at the head of each: `policies`, `gateway`, `snapshot`, `broker`, `fleet`, `functions`.
Besides, here:

- Every listener binds to loopback: the mutual-TLS one is hard-coded to all interfaces.
- At the line `open` on standard input the broker opens and functions are invoked; at `hold` no more
  messages are taken out of queues. All ends when standard input does: the process that started it
  is gone, however it went.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from infra.local.ministack.broker import Broker
from infra.local.ministack.functions import Invocations
from infra.local.ministack.gateway import Gateway
from infra.local.ministack.policies import lock_root, teach_policies

STOP_WITHIN_S = 15


def keep_to_loopback() -> None:
    """Turn a bind to all interfaces into one to loopback, whoever asks for it."""
    bind = socket.socket.bind

    def bind_to_loopback(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_INET and address[0] in ("", "0.0.0.0"):  # noqa: S104
            address = ("127.0.0.1", *address[1:])
        elif self.family == socket.AF_INET6 and address[0] in ("", "::"):
            address = ("::1", *address[1:])
        bind(self, address)

    socket.socket.bind = bind_to_loopback  # type: ignore[method-assign, assignment]


def obey_parent(broker: Broker, invocations: Invocations) -> None:
    """Do what standard input says, line by line; stop as by SIGTERM when it ends."""
    with contextlib.suppress(OSError), os.fdopen(os.dup(0)) as lines:
        for line in lines:
            match line.strip():
                case "open":
                    invocations.begin()
                    broker.allow(True)
                case "hold":
                    invocations.end()
    broker.allow(False)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_WITHIN_S)
    os._exit(1)


def main() -> None:
    """Serve until standard input ends."""
    keep_to_loopback()
    teach_policies()
    lock_root()
    from ministack import app

    broker = Broker(app)
    app._start_iot_mtls = broker.start
    invocations = Invocations(workers=int(os.environ["SIGHTLINE_WORKERS"]))
    invocations.install()
    threading.Thread(
        target=obey_parent, args=(broker, invocations), name="parent", daemon=True
    ).start()
    Path(os.environ["STATE_DIR"]).mkdir(parents=True, exist_ok=True)
    app.app = Gateway(
        app.app,
        folder=os.environ["STATE_DIR"],
        save_every_s=float(os.environ["SIGHTLINE_SAVE_EVERY_S"]),
        least_free=int(os.environ["SIGHTLINE_LEAST_FREE_BYTES"]),
    )
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    main()
