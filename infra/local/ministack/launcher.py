"""Run MiniStack as this project needs it. Started by `server.py` inside MiniStack's own venv.

This module and those it brings in import the standard library and MiniStack alone. What is changed
stands at the head of each: `policies`, `gateway`, `snapshot`, `broker`, `fleet`. Besides, here:

- Every listener binds to loopback: the mutual-TLS one is hard-coded to all interfaces.
- The broker opens at the first line of standard input, and all ends when that does: the process
  that started it is gone, however it went.
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


def obey_parent(broker: Broker) -> None:
    """Open the broker at the first line of standard input; stop as by SIGTERM when it ends."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            broker.allow(True)
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
    threading.Thread(target=obey_parent, args=(broker,), name="parent", daemon=True).start()
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
