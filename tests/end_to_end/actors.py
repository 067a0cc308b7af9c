"""Who takes part in an end-to-end test: an operator at the test client, and a device's agent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.operator_client import OperatorClient, Received
from infra.packaging import PROJECT
from sightline.errors import TransportError
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected, decode, encode
from sightline.topics import every, parse, topic

DEADLINE_S = 60.0
DATA = Path(__file__).parents[1] / "data"

Answer = FrameRecognized | FrameRejected


def new_key(thing: str) -> str:
    """Make up the key of a frame of *thing*'s."""
    return f"frames/{thing}/2026/11/21/{uuid4()}.jpg"


def eventually(what: str, holds: Callable[[], Any], *, deadline_s: float = DEADLINE_S) -> Any:
    """Look until *holds* gives something true, and give that; fail naming *what* at the end.

    For what announces itself to nobody: files, tables, processes.
    """
    end_s = time.monotonic() + deadline_s
    while not (found := holds()):
        if time.monotonic() > end_s:
            raise AssertionError(f"within {deadline_s:g} s there was no {what}")
        time.sleep(0.05)
    return found


class Operator:
    """Somebody at the MQTT test client: sees results and errors of all devices, and publishes."""

    def __init__(self, client: OperatorClient) -> None:
        """Use *client*, which is connected."""
        self.client = client
        self._seen: list[Received] = []
        self._failure: TransportError | None = None
        self._changed = threading.Condition()
        self._end = threading.Event()
        self._reader = threading.Thread(target=self._read, name="operator", daemon=True)

    @contextmanager
    def watching(self) -> Iterator["Operator"]:
        """See all answers, from now on."""
        self.client.subscribe([every("results"), every("errors")])
        self._reader.start()
        try:
            yield self
        finally:
            self._end.set()
            self._reader.join()

    def watch(self, *filters: str) -> None:
        """See more than answers."""
        self.client.subscribe(filters)

    def seen(self, matches: Callable[[Received], bool] = lambda _: True) -> list[Received]:
        """All that came so far and *matches*."""
        with self._changed:
            return [received for received in self._seen if matches(received)]

    def wait_for(
        self,
        matches: Callable[[Received], bool],
        *,
        count: int = 1,
        deadline_s: float = DEADLINE_S,
    ) -> list[Received]:
        """Wait until *count* messages match (those that came before count too); give them."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure or sum(map(matches, self._seen)) >= count, deadline_s
            )
            found = [received for received in self._seen if matches(received)]
            if len(found) < count:
                raise AssertionError(
                    f"{len(found)} of {count} messages came within {deadline_s:g} s "
                    f"({self._failure or 'the connection stands'}); there were "
                    f"{[(each.topic, each.payload[:200]) for each in self._seen[-10:]]}"
                )
            return found

    def publish(self, where: str, payload: bytes | str | FrameCaptured) -> None:
        """Publish, and wait for the PUBACK."""
        if isinstance(payload, FrameCaptured):
            payload = encode(payload)
        self.client.publish(where, payload.encode() if isinstance(payload, str) else payload)

    def send(self, device: str, payload: bytes | str | FrameCaptured) -> None:
        """Publish on a device's frames, as the device or anybody at the test client would."""
        self.publish(topic(device, "frames"), payload)

    def answers(
        self, frame_id: str, *, count: int = 1, deadline_s: float = DEADLINE_S
    ) -> list[Answer]:
        """Wait for *count* answers to a frame; give all that came, in order."""
        found = self.wait_for(_answers(frame_id), count=count, deadline_s=deadline_s)
        return [_read_answer(each) for each in found]

    def answer(self, frame_id: str, *, deadline_s: float = DEADLINE_S) -> Answer:
        """Wait for the answer to a frame; give the first."""
        return self.answers(frame_id, deadline_s=deadline_s)[0]

    def recognized(self, frame_id: str) -> FrameRecognized:
        """Wait for a frame's result; a rejection fails the test, saying why it was one."""
        answer = self.answer(frame_id)
        assert isinstance(answer, FrameRecognized), answer
        return answer

    def rejected(self, frame_id: str) -> FrameRejected:
        """Wait for a frame's rejection."""
        answer = self.answer(frame_id)
        assert isinstance(answer, FrameRejected), answer
        return answer

    def rejection_of(self, device: str) -> FrameRejected:
        """Wait for anything on a device's errors: a payload that is no JSON names no frame."""
        [first, *_] = self.wait_for(lambda received: received.topic == topic(device, "errors"))
        return decode(FrameRejected, first.payload)

    def _read(self) -> None:
        while not self._end.is_set():
            try:
                for received in self.client.messages(seconds=0.2):
                    with self._changed:
                        self._seen.append(received)
                        self._changed.notify_all()
            except TransportError as err:
                with self._changed:
                    self._failure = err
                    self._changed.notify_all()
                return


def _answers(frame_id: str) -> Callable[[Received], bool]:
    def matches(received: Received) -> bool:
        if parse(received.topic)[1] not in ("results", "errors"):
            return False
        return bool(json.loads(received.payload)["frame_id"] == frame_id)

    return matches


def _read_answer(received: Received) -> Answer:
    if parse(received.topic)[1] == "results":
        return decode(FrameRecognized, received.payload)
    return decode(FrameRejected, received.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A provisioned thing: its name, and the folder that would be copied to the Pi."""

    thing: str
    folder: Path
    settings: Path  # device.toml

    def configure(self, old: str, new: str) -> None:
        """Edit device.toml as somebody with an editor would."""
        text = self.settings.read_text()
        assert old in text
        self.settings.write_text(text.replace(old, new))


class Agent:
    """`python -m device` in a process of its own, with what it prints, as it prints it."""

    def __init__(self, device: Device, *options: str | Path) -> None:
        """Start it with device.toml and *options*."""
        self.log_path = device.folder.with_name(f"{device.thing}-{uuid4().hex[:6]}.log")
        self._log = self.log_path.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "device", "--config", device.settings, *options],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="agent", daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """What it wrote to standard output so far."""
        with self._changed:
            return list(self._lines)

    def wait_for_lines(
        self,
        count: int,
        matches: Callable[[str], bool] = lambda _: True,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> list[str]:
        """Wait until it printed *count* lines that match; give them."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or sum(map(matches, self._lines)) >= count, deadline_s
            )
            found = [line for line in self._lines if matches(line)]
        assert len(found) >= count, f"{len(found)} of {count} lines; the log:\n{self.log}"
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, *, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end; give the exit status."""
        status = self.process.wait(deadline_s)
        self._reader.join(deadline_s)
        return status

    def close(self) -> None:
        """See to it that nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()
        self._log.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """Its output, a line of JSON each."""
        return [json.loads(line) for line in self.out.splitlines()]


def run_command(
    state: Path, *words: str | Path, stdin: str = "", deadline_s: float = 120
) -> Finished:
    """Run the command line on a stack, as `./run` does once all is set up."""
    done = subprocess.run(
        [sys.executable, "-m", "infra", "--state", state, *words],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    return Finished(status=done.returncode, out=done.stdout, err=done.stderr)


def one_line(text: str) -> str:
    """Give the only line of *text*, such as an error for the operator."""
    lines: Sequence[str] = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]
