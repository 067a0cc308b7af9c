"""The device's gate: what it costs, what it lets through of an empty room, what it misses."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from device import jpeg
from device.cameras.camera import Captured
from device.cameras.clip_camera import ClipCamera
from device.gate.building import face_finder
from device.gate.gate import FaceFinder
from device.gate.motion import Motion
from device.gate.settings import GateSettings, MotionSettings
from device.settings import CameraSettings
from infra.gating.scenes import Light, Picture, Shown, Visit, dimmed, noisy, scene
from infra.gating.trial import (
    PlayedTime,
    Trial,
    attempt,
    captured,
    p50,
    played,
    usable_faces,
)

CLIPS = Path(__file__).parents[3] / "shared" / "faces" / "clips"
INTERVAL_S = 0.5

MOTION_MS, CHECK_MS, PASSED, MISSED = 0.5, 16.0, 0.01, 0.01

_ALONE_S = 10.0  # before somebody comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: `most` is what is to be reached; None: it is told, not judged."""

    what: str
    value: float
    unit: str  # "ms" or "%", of which the value is a share
    most: float | None = None
    detail: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is no more than it may be."""
        return self.most is None or self.value <= self.most


def figures(say: Callable[[str], None] = lambda _: None) -> list[Figure]:
    """Measure all of it, on one core; takes about two minutes where there are clips."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        finder = face_finder(GateSettings(), CameraSettings(source="none"))
        return [*costs(finder), *empty_rooms(finder, say), *misses(finder, say)]
    finally:
        cv2.setNumThreads(threads)


def as_rows(measured: Iterable[Figure]) -> list[tuple[str, str, str, str]]:
    """Lay figures out: what, measured, to reach, detail."""
    rows = []
    for each in measured:
        reach = ""
        if each.most is not None:
            reach = f"≤ {_written(each.most, each.unit)}{'' if each.reached else '  MISSED'}"
        rows.append((each.what, _written(each.value, each.unit), reach, each.detail))
    return rows


def costs(finder: FaceFinder) -> list[Figure]:
    """Time motion and face check per frame of 640x480, by this thread's processor time."""
    visit = Visit(from_s=5, stands_s=15)
    shown = list(scene(30, noise=3, visit=visit))
    motion = Motion(MotionSettings())
    motions_ms = [_took_ms(motion.see, each.image, each.at_s) for each in shown]
    with_face = [each.image for each in shown if each.somebody][::3]
    empty = [each.image for each in shown if each.at_s < 5][::2]
    sorts = {"an empty room": empty, "a person in it": with_face}
    if CLIPS.is_dir():
        frames = [each.image for each in _clip("hamilton.mp4", (640, 480))]
        sorts["hamilton.mp4, stretched"] = frames[::8]
    finder.look(with_face[0])  # the first run of a network is slower
    results = [_cost("motion, a frame", p50(motions_ms), MOTION_MS, "640×480, somebody walks in")]
    for name, images in sorts.items():
        checks_ms = [_took_ms(finder.look, each, times=3) for each in images]
        results.append(_cost("face check, a frame", p50(checks_ms), CHECK_MS, f"640×480, {name}"))
    return results


def empty_rooms(finder: FaceFinder, say: Callable[[str], None]) -> list[Figure]:
    """Count what is let through of a room with nobody in it."""
    rooms = {
        "sensor noise 3": (3.0, Light()),
        "sensor noise 6": (6.0, Light()),
        "light drifting 2 %": (3.0, Light(drift=0.02)),
        "light off and on": (3.0, Light(switched_s=(40, 80))),
    }
    results = []
    for name, (noise, light) in rooms.items():
        say(f"an empty room: {name}")
        for mode, each in (("motion", None), ("faces", finder)):
            trial = _trial(_filmed(scene(120, noise=noise, light=light)), mode, each)
            passed = sum(look.verdict.passed for look in trial.looks)
            results.append(
                Figure(
                    what=f"empty room let through, {mode}",
                    value=passed / len(trial.looks),
                    unit="%",
                    most=PASSED,
                    detail=f"{name}: {passed} of {len(trial.looks)} frames",
                )
            )
    return results


def misses(finder: FaceFinder, say: Callable[[str], None]) -> list[Figure]:
    """Count frames with a usable face that are missed; see `Trial.missed` for what that is."""
    results = []
    for name, frames in _scenes():
        say(f"missed: {name}")
        seen = list(frames())
        for mode, each in (("motion", None), ("faces", finder)):
            results.append(_missed(name, _trial(seen, mode, each)))
    return results


def _missed(name: str, trial: Trial) -> Figure:
    there = sum(bool(look.usable) for look in trial.looks)
    missed = len(trial.missed())
    return Figure(
        what=f"usable faces missed, {trial.mode}",
        value=missed / max(1, there),
        unit="%",
        most=MISSED,
        detail=f"{name}: {missed} of {there} frames; {len(trial.sent)} sent",
    )


Usable = Iterator[tuple[Captured, bool]]


def _scenes() -> list[tuple[str, Callable[[], Usable]]]:
    """Clips, as they are and worse; and somebody who walks in, stands for a minute and leaves."""
    scenes: list[tuple[str, Callable[[], Usable]]] = [
        (
            f"stands a minute, a face of {face_px:g} px, noise {noise:g}",
            partial(_visited, noise, face_px),
        )
        for face_px in (40.0, 60.0)
        for noise in (3.0, 6.0)
    ]
    if not CLIPS.is_dir():
        return scenes
    random = np.random.default_rng(0)
    worse: dict[str, Callable[[Picture], Picture]] = {
        "": lambda image: image,
        ", dimmed": dimmed,
        ", noisy": lambda image: noisy(image, random),
    }
    scenes += [
        (path.name + what, partial(_judged, path.name, change))
        for path in sorted(CLIPS.glob("*.mp4"))
        for what, change in worse.items()
    ]
    return scenes


def _visited(noise: float, face_px: float) -> Usable:
    visit = Visit(from_s=_ALONE_S, stands_s=60, face_px=face_px)
    return _filmed(scene(visit.until_s + 20, noise=noise, visit=visit))


def _judged(name: str, change: Callable[[Picture], Picture]) -> Usable:
    usable = usable_faces()
    for each in _clip(name):
        frame = captured(change(jpeg.fit(each.image, 1280, 720)), each.captured_s)
        yield frame, usable(frame) > 0


def _clip(name: str, size: tuple[int, int] | None = None) -> Iterator[Captured]:
    pace = PlayedTime(0.001)  # each frame of it
    for each in played(ClipCamera(CLIPS / name, clock=pace), pace):
        if size is None:
            yield each
        else:
            image = np.asarray(cv2.resize(each.image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield captured(image, each.captured_s)


def _filmed(shown: Iterable[Shown]) -> Usable:
    for each in shown:
        yield captured(each.image, each.at_s), each.somebody


def _trial(seen: Iterable[tuple[Captured, bool]], mode: str, finder: FaceFinder | None) -> Trial:
    usable: dict[float, bool] = {}

    def frames() -> Iterator[Captured]:
        for frame, face in seen:
            usable[frame.captured_s] = face
            yield frame

    return attempt(
        frames(),
        GateSettings(mode=mode),
        finder,
        interval_s=INTERVAL_S,
        truth=lambda frame: int(usable[frame.captured_s]),
    )


def _took_ms(work: Callable[..., object], *arguments: object, times: int = 1) -> float:
    """Time the best of some runs: the others had the machine's other work in them."""
    took = []
    for _ in range(times):
        begun_s = time.thread_time()
        work(*arguments)
        took.append((time.thread_time() - begun_s) * 1000)
    return min(took)


def _cost(what: str, value: float, most: float, detail: str) -> Figure:
    return Figure(what=what, value=value, unit="ms", most=most, detail=detail)


def _written(value: float, unit: str) -> str:
    return f"{100 * value:.2g} %" if unit == "%" else f"{value:.3g} {unit}"
