"""Real photographs, taken in the world: who is in them is who is said to be."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.cli import main
from infra.enrolling import open_people
from infra.local.stack import LocalStack
from infra.target import Target
from sightline.messages import FrameCaptured, FrameRecognized
from tests.end_to_end.actors import Agent, Device, Operator, new_key

pytestmark = [pytest.mark.stack, pytest.mark.photographs]

ENROLLED = ("alex-lacamoire", "barack-obama", "joe-biden", "kit-harington", "rose-leslie")

# Who of the enrolled is in which photograph, as the folder's README says. `stranger-*` and
# `six-strangers` show nobody of them.
LABELS = {
    "alex-lacamoire.jpg": {"Alex Lacamoire"},
    "kit-and-rose.jpg": {"Kit Harington", "Rose Leslie"},
    "kit-harington.jpg": {"Kit Harington"},
    "obama-1080p.jpg": {"Barack Obama"},
    "obama-240p.jpg": {"Barack Obama"},
    "obama-3.jpg": {"Barack Obama"},
    "obama-480p.jpg": {"Barack Obama"},
    "obama-720p.jpg": {"Barack Obama"},
    "obama-and-biden.jpg": {"Barack Obama", "Joe Biden"},
    "obama.jpg": {"Barack Obama"},
    "rgba-32bit.png": {"Barack Obama"},
    "six-strangers.jpg": set(),
    "stranger-miranda.png": set(),
    "stranger-rudd.jpg": set(),
    "stranger-siegel.jpg": set(),
}

# He, too, but half of his face is cut off. He is not recognised in them (distances 0.61 and 0.70 to
# his own, the threshold being 0.55), which is a limit; to be taken for another would be a fault.
CUT_OFF = {"obama-partial-2.jpg": {"Barack Obama"}, "obama-partial.jpg": {"Barack Obama"}}


@pytest.fixture(scope="module")
def enrolled(stack: LocalStack, target: Target, photographs: Path) -> Iterator[tuple[str, ...]]:
    """All who are to be enrolled are, from their folders; forgotten at the end."""
    state = str(stack.settings.state)
    assert main(["--state", state, "people", "add-folder", str(photographs / "enrol")]) == 0
    yield ENROLLED
    register = open_people(target)
    for person_id in ENROLLED:
        register.remove(person_id)


def named(result: FrameRecognized) -> list[str]:
    return sorted(face.person.name for face in result.faces if face.person)


def row(name: str, result: FrameRecognized) -> str:
    """One photograph in the table of what was decided."""
    missed = (LABELS | CUT_OFF)[name] - set(named(result))
    faces = ", ".join(
        f"{face.person.name if face.person else face.decision}"
        f" {'' if face.distance is None else f'{face.distance:.2f}'}"
        f"{'' if face.margin is None else f' {face.margin:+.2f}'} {face.box[2]}x{face.box[3]}"
        for face in result.faces
    )
    size = f"{result.width}x{result.height}"
    ending = f"  MISSED {', '.join(sorted(missed))}" if missed else ""
    return f"{name:<22} {size:<10} {faces or 'no face'}{ending}"


def test_everybody_is_enrolled_with_every_photograph(
    enrolled: tuple[str, ...], target: Target, photographs: Path
) -> None:
    people = {entry.person.id: entry for entry in open_people(target).all()}

    for person_id in enrolled:
        photos = list((photographs / "enrol" / person_id).glob("*.jpg"))
        assert len(people[person_id].faces) == len(photos)


@pytest.mark.usefixtures("enrolled")
def test_each_photograph_shows_who_it_is_said_to(
    operator: Operator,
    store: Callable[[str, bytes], None],
    photographs: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, Any], None],
) -> None:
    probes = sorted((photographs / "probe").iterdir())
    assert {path.name for path in probes} == set(LABELS | CUT_OFF)
    thing = f"gallery-{uuid4().hex[:8]}"
    sent = {}
    for path in probes:
        captured = FrameCaptured(key=new_key(thing))
        store(captured.key, path.read_bytes())
        operator.send(thing, captured)
        sent[path.name] = captured.frame_id

    results = {name: operator.recognized(frame_id) for name, frame_id in sent.items()}

    table = [row(name, result) for name, result in results.items()]
    record_property("decided", table)
    with capsys.disabled():
        print("", *table, sep="\n  ")  # noqa: T201 - for whoever judges the recognition
    decided = {name: named(result) for name, result in results.items()}
    assert {name: decided[name] for name in LABELS} == {
        name: sorted(people) for name, people in LABELS.items()
    }
    for name, people in CUT_OFF.items():
        assert set(decided[name]) <= people
        assert results[name].faces, f"no face was found in {name}"


@pytest.mark.usefixtures("enrolled")
def test_a_device_that_films_real_people_gets_their_names(
    device: Callable[..., Device],
    start_agent: Callable[..., Agent],
    photographs: Path,
    tmp_path: Path,
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name in ("kit-and-rose.jpg", "obama-1080p.jpg", "six-strangers.jpg"):
        (album / name).write_bytes((photographs / "probe" / name).read_bytes())
    made = device()
    made.configure("interval_s = 0.5", "interval_s = 0.1")

    agent = start_agent(made, "--camera", album)

    assert agent.wait() == 0, agent.log
    known = sorted(line.split("  ")[1] for line in agent.lines if "  known  " in line)
    assert known == ["Barack Obama", "Kit Harington", "Rose Leslie"], agent.lines


@pytest.mark.usefixtures("enrolled")
def test_a_clip_of_a_real_camera_is_watched_to_its_end(
    device: Callable[..., Device], start_agent: Callable[..., Agent], photographs: Path
) -> None:
    agent = start_agent(device(), "--camera", photographs / "clips" / "office-people.mp4")

    assert agent.wait() == 0, agent.log
    assert [line for line in agent.lines if "nobody in view" not in line], agent.lines
    assert not [line for line in agent.lines if "  known  " in line], "a stranger was named"
