"""MiniStack's state, saved by a fork of it. Runs inside MiniStack.

MiniStack itself saves at its end only, so a kill would lose everything.
"""

import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

SAVE_WITHIN_S = 20  # a snapshot that takes longer has gone wrong, and is given up

log = logging.getLogger(__name__)


def fork(work: Callable[[], None]) -> int:
    """Do *work* in a copy of this process, and return the copy's id at once."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # The loop's own handlers would write to a wake-up socket that is also the parent's.
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # A lock that another thread held at the fork is held for ever here.
        signal.alarm(SAVE_WITHIN_S)
        work()
        status = 0
    except Exception:
        log.exception("the state could not be saved")
    finally:
        os._exit(status)


def save() -> None:
    """Write each service's state that differs from what lies on disk, whole or not at all."""
    from ministack import app
    from ministack.core import persistence

    folder = Path(persistence.STATE_DIR)
    for name, get_state in app._build_persistence_save_dict().items():
        state = get_state()
        if state is None:
            continue
        wrapped = {
            "__ministack_format__": persistence._state_format_version(name),
            "payload": state,
        }
        # dumps, not dump as MiniStack does: it runs in C, some ten times as fast.
        text = json.dumps(wrapped, default=persistence._json_default).encode()
        path = folder / f"{name}.json"
        if path.is_file() and path.stat().st_size == len(text) and path.read_bytes() == text:
            continue
        new = folder / f"{name}.json.new"
        new.write_bytes(text)
        new.replace(path)
