"""A device killed again and again: `python -m tests.device.spooling.killing FOLDER CYCLES SEED`.

Each life opens the spool, takes frames, and sends them with the agent's own parts to a cloud that
remembers by a ledger what came before. The ledger is a file to which each says a word in one write,
so it knows what had happened at the moment of the kill. Prints what came of it all, as JSON.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from device.answers.results import Outcome, Results
from device.journal import Journal
from device.network.backoff import Backoff
from device.network.local_link import LocalLink
from device.pending import Pending
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import SpooledFrame
from device.uplink import Uplink
from sightline.errors import TransportError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import FrameCaptured, FrameRecognized, decode, encode
from sightline.topics import every, topic

THING = "door"
MOST_WORDS = 60  # of a life: on a busy machine it takes longer, and is as full
OPENING_S, LATER_S, LONGEST_LIFE_S = 0.03, 0.003, 5.0
HEAD = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"  # a JPEG of one pixel
SEND_ALL_S = 60.0


class Ledger:
    """Words, each with a frame's id: `try`, `put`, `store`, `cloud`, `new`, `untold`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._path = path

    def say(self, word: str, frame_id: str) -> None:
        os.write(self._file, f"{word} {frame_id}\n".encode())

    def all(self, word: str) -> list[str]:
        said = (line.split() for line in self._path.read_text().splitlines())
        return [frame_id for each, frame_id in said if each == word]


class Cloud:
    """Answers a frame once by its id; a second reference gets a repeat. Now and then nothing."""

    def __init__(self, link: LocalLink, ledger: Ledger, chance: random.Random) -> None:
        self._link, self._ledger, self._chance = link, ledger, chance
        self._known = {*ledger.all("cloud")}
        link.subscribe(every("frames"), self._answer)

    def _answer(self, _: str, payload: bytes) -> None:
        reference = decode(FrameCaptured, payload)
        repeat = reference.frame_id in self._known
        self._known.add(reference.frame_id)
        if not repeat:
            self._ledger.say("cloud", reference.frame_id)
        if self._chance.random() < 0.1:
            return
        now = datetime.now(UTC)
        answer = FrameRecognized(
            frame_id=reference.frame_id,
            device=THING,
            captured_at=now,
            recognized_at=now,
            width=1,
            height=1,
            faces=(),
            engine="none",
            gallery=1,
            repeat=repeat,
            timings_ms={},
        )
        self._link.publish(topic(THING, "results"), encode(answer))


class Store:
    """Takes whole frames only; in some lives the network is away."""

    def __init__(self, ledger: Ledger, *, away: bool) -> None:
        self._ledger, self._away = ledger, away

    def put(self, key: str, jpeg: bytes, digest: str) -> None:
        if self._away:
            raise TransportError("no network")
        assert sha256(jpeg).hexdigest() == digest
        self._ledger.say("store", Path(key).stem)


@contextmanager
def device(folder: Path, chance: random.Random, *, away: bool) -> Iterator[DiskSpool]:
    """A device without its camera, at work."""
    ledger = Ledger(folder / "ledger")
    bounds = Bounds(max_frames=25, max_bytes=10**6, max_age_s=3600)
    spool = DiskSpool(
        folder / "spool", lambda i, at: frame_key(THING, i, at), bounds, MemorySpool()
    )
    told = {*ledger.all("new"), *ledger.all("untold")}
    for frame_id in spool.answered():
        if frame_id not in told:  # killed after the mark, before the word
            ledger.say("untold", frame_id)
    link, journal, stop = LocalLink(), Journal(), threading.Event()
    Cloud(link, ledger, chance)
    pending = Pending(spool, places=8, timeout_s=0.02, attempts=3)

    def hear(outcome: Outcome) -> None:
        if outcome.new:
            ledger.say("new", str(outcome.message.frame_id))

    results = Results(pending, journal, [hear], known=spool.answered())
    results.listen(link, THING)
    uplink = Uplink(
        topic(THING, "frames"),
        spool,
        Store(ledger, away=away),
        link,
        pending,
        journal,
        backoff=Backoff(first_s=0.001, most_s=0.004),
    )
    threads = [
        threading.Thread(target=_guarded, args=(part.run, stop))
        for part in (uplink, uplink, results)
    ]
    for thread in threads:
        thread.start()
    try:
        yield spool
    finally:
        stop.set()
        uplink.close()
        for thread in threads:
            thread.join()
        spool.close()


def live(folder: Path, seed: int) -> None:
    """Take frames until killed."""
    chance = random.Random(seed)  # noqa: S311
    ledger = Ledger(folder / "ledger")
    with device(folder, chance, away=chance.random() < 0.35) as spool:
        while True:
            at = datetime.now(UTC)
            jpeg = HEAD + chance.randbytes(chance.randrange(200, 20_000))
            frame_id = new_frame_id(at)
            frame = SpooledFrame(
                frame_id=frame_id,
                key=frame_key(THING, frame_id, at),
                captured_at=at,
                captured_s=time.monotonic(),
                width=1,
                height=1,
                size=len(jpeg),
                sha256=sha256(jpeg).hexdigest(),
                jpeg=jpeg,
            )
            ledger.say("try", frame_id)
            spool.put(frame)
            ledger.say("put", frame_id)


def main(folder: Path, cycles: int, seed: int) -> None:
    """Live and be killed so often, then live on until all is sent."""
    chance = random.Random(seed)  # noqa: S311
    for cycle in range(cycles):
        child = os.fork()
        if not child:
            _guarded(live, folder, seed + cycle)
        _let_live(folder / "ledger", chance)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            raise AssertionError(f"life {cycle} ended by itself: {status}")
    ledger, end_s = Ledger(folder / "ledger"), time.monotonic() + SEND_ALL_S
    with device(folder, chance, away=False) as spool:
        while spool.depth():
            if time.monotonic() > end_s:
                raise AssertionError(f"{spool.depth()} frames are never sent")
            time.sleep(0.01)
        dropped = spool.dropped()
    words = ("try", "put", "store", "cloud", "new", "untold")
    json.dump({**{word: ledger.all(word) for word in words}, "dropped": dropped}, sys.stdout)


def _let_live(ledger: Path, chance: random.Random) -> None:
    """Wait for a random moment: of its opening in one life of four, else after so many words."""
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0, OPENING_S))
        return
    size = ledger.stat().st_size if ledger.exists() else 0
    size += 41 * chance.randrange(1, MOST_WORDS)
    end_s = time.monotonic() + LONGEST_LIFE_S
    while time.monotonic() < end_s and not (ledger.exists() and ledger.stat().st_size >= size):
        time.sleep(0.001)
    time.sleep(chance.uniform(0, LATER_S))


def _guarded(work: Callable[..., None], *arguments: object) -> None:
    """Have any error end this process, and be seen."""
    try:
        work(*arguments)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
