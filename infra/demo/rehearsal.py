"""A stack of its own, somebody enrolled, a device provisioned: demo and benchmark play on it."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.enrolment import Photo
from infra.demo import clip as clips
from infra.demo.agent import start_agent
from infra.enrolling import open_people
from infra.local.ministack.server import ministack_python
from infra.local.stack import LocalSettings, LocalStack
from infra.packaging import PROJECT
from infra.provision import provision
from infra.target import Target
from sightline.errors import ConfigError
from sightline.faces.engines import prepare_engine

THING = "demo-camera"
PORTRAITS = PROJECT / "tests" / "data"
KNOWN, STRANGER = "Grace Hopper", "Eileen Collins"
FILES = {KNOWN: "grace-hopper.jpg", STRANGER: "eileen-collins.png"}
RECORD = {"rank": "Rear Admiral", "known_for": "the first compiler"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an agent wrote down: a row a result, and its summary."""

    rows: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]


class Rehearsal:
    """Open from `__enter__` to `__exit__`, which stops all it started."""

    def __init__(self, folder: Path, *, workers: int, say: Callable[[str], None]) -> None:
        """Use *folder* for everything it writes; the stack's ports are any free ones."""
        self.folder = folder
        self._workers = workers
        self._say = say
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._say("starting the stack …")
            engine = prepare_engine()
            self.stack = self._open.enter_context(
                LocalStack(
                    LocalSettings(
                        state=self.folder / "stack",
                        ministack_python=ministack_python(),
                        engine_folder=engine.parent,
                        gateway_port=0,
                        mqtt_port=0,
                        credentials_port=0,
                        lambda_port=0,
                        http_port=0,
                        workers=self._workers,
                    )
                )
            )
            self.target = Target.local(self.folder / "stack")
            self._say(f"enrolling {KNOWN} from one portrait …")
            photo = Photo(name=FILES[KNOWN], data=(PORTRAITS / FILES[KNOWN]).read_bytes())
            added = open_people(self.target, examine=True).add(KNOWN, [photo], record=RECORD)
            if added.person is None:
                raise ConfigError(f"the portrait was refused: {added.outcomes[0].detail}")
            self.person_id = added.person.id
            self._say(f"giving the device {THING} its certificate …")
            self.device = provision(
                THING, target=self.target, folder=self.folder / THING, say=lambda _: None
            )
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    def start_agent(
        self, clip: Path, report: Path, *options: str, quiet: bool = False
    ) -> "subprocess.Popen[bytes]":
        """Run the agent with *clip* for a camera.

        Its results are printed among our own lines, unless *quiet*; its log goes to `agent_log`.
        """
        log = self.agent_log.open("wb")
        self._open.callback(log.close)
        return start_agent(self.device.settings, clip, report, *options, log=log, quiet=quiet)

    @property
    def agent_log(self) -> Path:
        """What the agent logs."""
        return self.folder / "agent.log"

    def frame(self, key: str) -> bytes:
        """Fetch a frame that the agent sent."""
        bucket = self.target.output("MediaBucket")
        data: bytes = self.target.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def put_frame(self, key: str, data: bytes) -> None:
        """Store a frame as a device would."""
        bucket = self.target.output("MediaBucket")
        self.target.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def still(self, number: int) -> bytes:
        """Draw a frame with the one who is enrolled, as JPEG; *number* is drawn into it."""
        scene = (clips.Scene(seconds=0.1, names=(KNOWN,)),)
        ((image, _),) = clips.frames({KNOWN: portrait(KNOWN)}, scene)
        clips.draw_number(image, number)
        return cv2.imencode(".jpg", image)[1].tobytes()


def portrait(name: str) -> NDArray[np.uint8]:
    """Read one of the portraits shipped for tests: (h, w, 3), BGR.

    Raises:
        ConfigError: It is not there.
    """
    path = PORTRAITS / FILES[name]
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{path} is missing; the demo needs the whole checkout")
    return image.astype(np.uint8)


def read_report(path: Path) -> Report:
    """Read what the agent wrote with `--report`.

    Raises:
        ConfigError: It did not come to its end.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    if not lines or lines[-1]["kind"] != "summary":
        raise ConfigError(f"the agent did not finish its report {path}")
    return Report(rows=tuple(lines[:-1]), summary=lines[-1])
