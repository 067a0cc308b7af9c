"""A process with some agents of a fleet: `python -m infra.fleet.worker DUTIES.json`.

It writes `ready` when it has loaded all it needs, waits for the line `BEGIN_S FINISH_S GIVE_UP_S`
(monotonic) on its standard input, and then writes an event a line. It ends with its agents, or
when its input does: so it never outlives who started it.
"""

import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path

import cv2

from infra.fleet.duty import Duty, serve
from infra.fleet.events import Event, write
from sightline import wire


def main() -> int:
    """Serve all duties; the exit status is 0 however they ended: the events tell."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(threadName)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.ERROR)
    cv2.setNumThreads(1)
    duties = [wire.load(Duty, each) for each in json.loads(Path(sys.argv[1]).read_text())]
    finish, stop = threading.Event(), threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    writing = threading.Lock()

    def emit(event: Event) -> None:
        with writing:
            sys.stdout.write(write(event))
            sys.stdout.flush()

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    line = sys.stdin.readline().split()
    if len(line) != 3:
        return 0
    begin_s, finish_s, give_up_s = map(float, line)
    threading.Thread(target=_until_alone, args=(stop,), daemon=True).start()
    for at_s, event in ((finish_s, finish), (give_up_s, stop)):
        timer = threading.Timer(max(0.0, at_s - time.monotonic()), event.set)
        timer.daemon = True
        timer.start()

    def work(duty: Duty) -> None:
        if not stop.wait(max(0.0, begin_s + duty.begin_after_s - time.monotonic())):
            serve(duty, emit, finish=finish, stop=stop)

    agents = [threading.Thread(target=work, args=(duty,), name=duty.thing) for duty in duties]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
    return 0


def _until_alone(stop: threading.Event) -> None:
    while sys.stdin.readline():
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
