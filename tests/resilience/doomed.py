"""Runs an agent, kills it at a random moment, and again: `python doomed.py DUTY.json KILLS SEED`.

Each agent is a fork of this process, which has loaded all that an agent needs: so it takes a
fraction of a second rather than seconds. What an agent tells goes through a pipe, so that what it
had told when it was killed is not lost. Between two agents the spool is opened here, too, for the
ids that it knows to be answered: an agent may be killed when it has committed that, and before it
could tell.

On standard output: a line `{"life": N}` before each agent, which is answered by a line on standard
input when its weather is made; the events; and a line of JSON at the end.
"""

import json
import os
import random
import signal
import sys
import threading
from pathlib import Path

import cv2

from device.spooling.building import open_spool
from infra.fleet.duty import Duty, serve, settings_of
from infra.fleet.events import Event, read, write
from sightline import wire

LONGEST_S = 0.3  # from an agent's first frame until it is killed


def main() -> int:
    duty = wire.load(Duty, json.loads(Path(sys.argv[1]).read_text()))
    kills, chance = int(sys.argv[2]), random.Random(int(sys.argv[3]))  # noqa: S311
    cv2.setNumThreads(1)
    known: set[str] = set()
    left = []  # frames that waited after each kill
    for life in range(kills):
        announce(life)
        run_and_kill(duty, chance.uniform(0, LONGEST_S))
        with open_spool(settings_of(duty), {}) as spool:
            known.update(spool.answered())
            left.append(spool.depth())
    announce(kills)
    run_to_the_end(duty)
    with open_spool(settings_of(duty), {}) as spool:
        known.update(spool.answered())
        end = {"depth": spool.depth(), "dropped": spool.dropped_before()}
    pass_on(json.dumps({"known": sorted(known), "left": left, **end}) + "\n")
    return 0


def announce(life: int) -> None:
    """Tell which agent is next, and wait until it may begin."""
    pass_on(json.dumps({"life": life}) + "\n")
    sys.stdin.readline()


def run_and_kill(duty: Duty, after_s: float) -> None:
    """Have an agent killed so long after its first frame; pass its events on."""
    pid, pipe = start(duty)
    timer: threading.Timer | None = None
    with os.fdopen(pipe) as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            pass_on(line)
            if timer is None and read(line).what == "captured":
                timer = threading.Timer(after_s, os.kill, (pid, signal.SIGKILL))
                timer.start()
    os.waitpid(pid, 0)
    if timer is not None:
        timer.join()


def run_to_the_end(duty: Duty) -> None:
    """Have an agent take a few frames more, and finish all that there is."""
    pid, pipe = start(duty, finish_after_s=1.0)
    with os.fdopen(pipe) as lines:
        for line in lines:
            pass_on(line)
    os.waitpid(pid, 0)


def start(duty: Duty, *, finish_after_s: float | None = None) -> tuple[int, int]:
    """Fork an agent; its process, and the end of its pipe."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid:
        os.close(sender)
        return pid, receiver
    try:
        os.close(receiver)

        def emit(event: Event) -> None:
            os.write(sender, write(event).encode())  # less than PIPE_BUF: whole, or not at all

        finish = threading.Event()
        if finish_after_s is not None:
            threading.Timer(finish_after_s, finish.set).start()
        serve(duty, emit, finish=finish, stop=threading.Event())
    finally:
        os._exit(0)


def pass_on(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
