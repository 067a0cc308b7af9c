"""An engine is changed on a running stack, with people enrolled, and changed back."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.local.ministack.server import ministack_python
from infra.operating.operator_client import OperatorClient
from infra.packaging import PROJECT
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.messages import FrameCaptured, FrameRecognized
from tests.end_to_end import pictures
from tests.end_to_end.actors import Finished, Operator, eventually, new_key

pytestmark = pytest.mark.stack

FULL, SMALL = "dlib-resnet@1", "dlib-resnet@1-int8-"
ANY_PORTS = [
    word
    for name in ("gateway", "mqtt", "credentials", "lambda")
    for word in (f"--{name}-port", "0")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a user has a stack, and a cache of engines that is nobody else's."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *words: str | Path) -> Finished:
        """Run a command on the stack."""
        done = subprocess.run(
            self._words(words), env=self._env, capture_output=True, text=True, timeout=120
        )
        return Finished(status=done.returncode, out=done.stdout, err=done.stderr)

    @contextmanager
    def up(self, engine: str) -> Iterator[str]:
        """Keep the stack up, with that engine; gives what it said until it was ready."""
        out, err = self.folder / "up.out", self.folder / "up.err"
        with out.open("wb") as to, err.open("wb") as errors:
            process = subprocess.Popen(
                self._words(("up", "--engine", engine, "--workers", "1", *ANY_PORTS)),
                env=self._env,
                stdout=to,
                stderr=errors,
            )

        def ready() -> bool:
            assert process.poll() is None, err.read_text()
            return "photo.jpg" in out.read_text()  # the end of its last line

        try:
            eventually("stack that is up", ready, deadline_s=120)
            yield err.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    @contextmanager
    def camera(self) -> Iterator["Camera"]:
        """Connect to what is up."""
        target = Target.local(self.state)
        with OperatorClient(broker_of(target, self.folder / "operator", lambda _: None)) as client:
            operator = Operator(client)
            with operator.watching():
                yield Camera(target=target, operator=operator)

    @property
    def _env(self) -> dict[str, str]:
        cache = str(self.folder / "cache")
        return {**os.environ, "PYTHONPATH": str(PROJECT), "XDG_CACHE_HOME": cache}

    def _words(self, words: Sequence[str | Path]) -> list[str]:
        return [sys.executable, "-m", "infra", "--state", str(self.state), *map(str, words)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Shows both portraits to the stack."""

    target: Target
    operator: Operator

    def see(self) -> tuple[list[str], FrameRecognized]:
        """Give who is named from left to right, else the decision; and the whole answer."""
        thing = f"camera-{uuid4().hex[:8]}"
        captured = FrameCaptured(key=new_key(thing))
        self.target.client("s3").put_object(
            Bucket=self.target.output("MediaBucket"),
            Key=captured.key,
            Body=pictures.jpeg(pictures.both()),
        )
        self.operator.send(thing, captured)
        answer = self.operator.recognized(captured.frame_id)
        faces = sorted(answer.faces, key=lambda face: face.box[0])
        return [face.person.name if face.person else face.decision for face in faces], answer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A stack's folder, and both forms of the engine, the INT8 one made on the portraits."""
    python = ministack_python()
    if not python.exists():
        pytest.skip(f"MiniStack is not installed at {python}; ./run test does it")
    place = Place(folder=tmp_path_factory.mktemp("change"))
    made = place.run("engines", "quantise", "dlib")
    assert made.status == 0, made.err
    assert "decisions" in made.out
    return place


def listed(place: Place) -> dict[str, dict[str, Any]]:
    """What `engines --json` says, by name."""
    done = place.run("engines", "--json")
    assert done.status == 0, done.err
    return {row["engine"]: row for row in json.loads(done.out)}


def test_an_engine_is_changed_and_changed_back_with_people_enrolled(place: Place) -> None:
    kept, elsewhere = place.folder / "kept", place.folder / "elsewhere"
    elsewhere.mkdir()
    grace, eileen = place.folder / "grace.jpg", elsewhere / "eileen.jpg"
    grace.write_bytes(pictures.jpeg(pictures.grace()))
    eileen.write_bytes(pictures.jpeg(pictures.eileen()))

    with place.up("dlib") as said:
        assert "cannot be recognised" not in said
        added = place.run("people", "add", "Grace Hopper", grace, "--keep-photos", kept)
        assert added.status == 0, added.err
        assert f"kept 1 photos in {kept / 'grace-hopper'}" in added.err
        assert place.run("people", "add", "Eileen Collins", eileen).status == 0
        grace.unlink()  # what was kept is enough
        with place.camera() as camera:
            names, before = camera.see()
            assert (names, before.engine) == (["Grace Hopper", "Eileen Collins"], FULL)

    with place.up("dlib-int8") as said:
        [warning] = [line for line in said.splitlines() if "cannot be recognised" in line]
        assert warning.startswith("eileen-collins, grace-hopper have no embedding of " + SMALL)
        assert "./run people re-embed FOLDER" in warning
        with place.camera() as camera:
            # Embeddings of the two never meet: nobody is named by the other's.
            names, answer = camera.see()
            assert names == ["unknown", "unknown"]
            assert answer.engine.startswith(SMALL)
            assert all(face.distance is None for face in answer.faces)

            half = place.run("people", "re-embed", kept)
            assert half.status == 1
            assert "Grace Hopper: 1 of 1 photos added to grace-hopper" in half.err
            digest = hashlib.sha256(eileen.read_bytes()).hexdigest()[:12]
            missing = f"the photo with SHA-256 {digest} was not found in {kept}; give it, or"
            assert f"eileen-collins: {missing} enrol anew" in half.err
            assert digest in place.run("people", "show", "eileen-collins").out
            assert camera.see()[0] == ["Grace Hopper", "unknown"]

            rest = place.run("people", "re-embed", elsewhere)
            assert rest.status == 0, rest.err
            assert "1 people embedded anew, 1 were already" in rest.err
            names, small = camera.see()
            assert names == ["Grace Hopper", "Eileen Collins"]
        rows = listed(place)
        both = ["eileen-collins", "grace-hopper"]
        assert (rows["dlib"]["people"], rows["dlib-int8"]["people"]) == (both, both)

    with place.up("dlib") as said:
        assert "cannot be recognised" not in said
        with place.camera() as camera:
            names, after = camera.see()
        again = place.run("people", "re-embed", kept)
        assert again.status == 0, again.err
        assert "0 people embedded anew, 2 were already" in again.err

    assert names == ["Grace Hopper", "Eileen Collins"]
    assert after.engine == before.engine
    assert [face.distance for face in after.faces] == [face.distance for face in before.faces]
    assert after.gallery == small.gallery  # nothing had to be written
