"""Who takes part in an end-to-end test: an operator at the test client, and a device's agent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.operating.watcher import DEADLINE_S, Watcher
from infra.packaging import PROJECT
from sightline.messages import FrameRecognized, FrameRejected

DATA = Path(__file__).parents[1] / "data"


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


class Operator(Watcher):
    """Somebody at the MQTT test client: sees results and errors of all devices, and publishes."""

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
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "XDG_STATE_HOME": str(device.folder.with_name(f"{device.folder.name}-state")),
            },
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
