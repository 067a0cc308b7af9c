"""What recording costs a device, and what it does to the frames that it takes."""

import contextlib
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from device import jpeg
from device.cameras.camera import Captured, Image, Pace
from device.capture import Capture, Schedule
from device.clock import utc_now
from device.gate.building import face_finder
from device.gate.gate import Gate
from device.gate.gatekeeper import Gatekeeper
from device.gate.settings import GateSettings
from device.recording.av_writer import AvWriter
from device.recording.planes import Planes, unit
from device.recording.recorder import Recorder
from device.recording.recording import Recording
from device.recording.ring import Ring
from device.recording.segment_store import SegmentFolder
from device.recording.settings import RecordingSettings
from device.recording.uploads import SegmentUploads
from device.settings import CameraSettings
from infra.bench.gate import Figure
from infra.bench.spool import spool_in, spooled
from infra.gating import scenes

FPS, SECONDS = 25.0, 20.0
ENCODED = 100
_SIZE = (1280, 720)
_SCENES = 8


class SteadyCamera:
    """Gives frames by the clock, as a driver does: one that is not fetched in time is lost."""

    def __init__(self, images: list[Image], *, fps: float, seconds: float) -> None:
        self._images, self._fps = images, fps
        self._frames = round(seconds * fps)
        self._begun_s = 0.0
        self.late_s: list[float] = []  # that frames were fetched after they were there
        self.lost = 0
        self._number = -1

    def __enter__(self) -> "SteadyCamera":
        self._begun_s = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def capture(self, pace: Pace) -> Captured | None:  # noqa: ARG002 - each frame is wanted
        """See `device.cameras.camera.Camera.capture`."""
        passed = int((time.monotonic() - self._begun_s) * self._fps)
        number = max(self._number + 1, passed)
        self.lost += number - self._number - 1
        self._number = number
        if number >= self._frames:
            return None
        due_s = self._begun_s + number / self._fps
        time.sleep(max(0.0, due_s - time.monotonic()))
        now_s = time.monotonic()
        self.late_s.append(now_s - due_s)
        return Captured(
            image=self._images[number % len(self._images)].copy(),
            captured_at=utc_now(),
            captured_s=now_s,
        )


def figures(say: Callable[[str], None] = lambda _: None) -> list[Figure]:
    """Measure all of it; takes half a minute."""
    images = scene()
    say(f"recording: {ENCODED} frames of {_SIZE[0]}×{_SIZE[1]}")
    costs = list(_costs(images))
    say(f"recording: {SECONDS:g} s with face check, JPEG, spool, encoder and upload at once")
    return [*costs, *jitter(visited())]


def scene() -> list[Image]:
    """Frames in which all moves a little, with a sensor's noise. B, G, R."""
    random = np.random.default_rng(0)
    room = random.integers(0, 255, (800, 1400, 3), dtype=np.uint8)
    room = np.asarray(cv2.GaussianBlur(room, (31, 31), 0), np.uint8)
    room = np.asarray(cv2.normalize(room, room.copy(), 0, 255, cv2.NORM_MINMAX), np.uint8)
    images = []
    for i in range(_SCENES):
        part = room[4 * i : 4 * i + _SIZE[1], 6 * i : 6 * i + _SIZE[0]].astype(np.float32)
        part += random.normal(0, 3, part.shape).astype(np.float32)
        images.append(np.clip(part, 0, 255).astype(np.uint8))
    return images


def visited() -> list[Image]:
    """Frames with somebody in them, who walks: what the face check has most to do with. B, G, R."""
    filmed = scenes.scene(10, visit=scenes.Visit(from_s=0, stands_s=4, face_px=80))
    there = [each.image for each in filmed if each.somebody]
    return [np.asarray(cv2.resize(each, _SIZE), np.uint8) for each in there[:_SCENES]]


def jitter(images: list[Image], *, fps: float = FPS, seconds: float = SECONDS) -> list[Figure]:
    """Record a camera while all else is at work, and see how frames are fetched."""
    counts: Counter[str] = Counter()
    camera = SteadyCamera(images, fps=fps, seconds=seconds)
    wanted = GateSettings(mode="faces")
    finder = face_finder(wanted, CameraSettings(source="none"))
    keeper = Gatekeeper(Gate(wanted, finder), interval_s=0.5, burst_s=0.3)

    with _folder() as folder, _recording(counts) as recording, spool_in(folder) as spool:

        def recognise(captured: Captured) -> bool:
            keeper.offer(captured)
            counts["checked"] += keeper.last is not None and keeper.last.faces is not None
            # Each, as if each passed: full load.
            spool.put(spooled(jpeg.encode(captured.image, 85)))
            counts["spooled"] += 1
            return True

        capture = Capture(
            camera,
            Schedule(0.1),
            recognise,
            recorder=recording,
            on_skipped=lambda: counts.update(skipped=1),
        )
        capture.run()
    late_ms = sorted(each * 1000 for each in camera.late_s)
    p99 = late_ms[int(len(late_ms) * 0.99) - 1]
    detail = (
        f"{_SIZE[0]}×{_SIZE[1]}, {fps:g} a second; at once: motion, face check, JPEG, spool, x264, "
        "upload"
    )
    return [
        Figure(what="capture jitter, p99", value=p99, unit="ms", most=1000 / fps, detail=detail),
        Figure(
            what="frames that were not recorded",
            value=(counts["unrecorded"] + camera.lost) / round(fps * seconds),
            unit="%",
            most=0.0,
            detail=f"{counts['unrecorded']} left out, {camera.lost} not fetched, "
            f"{counts['recorded']} recorded in {counts['segments']} segments; "
            f"{counts['checked']} checked for faces, {counts['spooled']} spooled, "
            f"{counts['skipped']} skipped for recognition",
        ),
    ]


def _costs(images: list[Image]) -> Iterator[Figure]:
    for preset in ("ultrafast", "superfast", "veryfast"):
        settings = RecordingSettings(preset=preset, threads=1)
        with _folder() as folder:
            path = folder / "a.mp4"
            begun_at = utc_now()
            units = [
                unit(
                    Captured(
                        image=images[i % len(images)],
                        captured_at=begun_at + timedelta(seconds=i / FPS),
                        captured_s=i / FPS,
                    )
                )
                for i in range(ENCODED)
            ]
            writer = AvWriter(path, units[0], settings)
            took_ms = [_took_ms(partial(writer.write, each)) for each in units]
            writer.close(None)
            rate = path.stat().st_size * 8 / (ENCODED / FPS) / 1e6
        yield Figure(
            what=f"encode a frame, {preset}",
            value=statistics.median(took_ms),
            unit="ms",
            detail=f"{_SIZE[0]}×{_SIZE[1]}, one thread, {rate:.1f} Mbit/s",
        )


@contextlib.contextmanager
def _recording(counts: "Counter[str]") -> Iterator[Recording]:
    settings = RecordingSettings(enabled=True, segment_s=0.5, duration_s=0, upload_video=True)
    with _folder() as folder:
        ring = Ring(folder / "ring", max_bytes=10**9)
        recorder: Recorder[Planes] = Recorder(
            ring,
            lambda path, first: AvWriter(path, first, settings),
            segment_s=settings.segment_s,
            count=lambda event, times: counts.update({event: times}),
        )
        uploads = SegmentUploads("bench", ring, SegmentFolder(folder / "bucket"))
        recording = Recording(settings, recorder, ring, uploads)
        stop = threading.Event()
        threads = [
            threading.Thread(target=recording.run),
            threading.Thread(target=recording.upload, args=(stop,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield recording
        finally:
            recording.end()
            threads[0].join()
            stop.set()
            recording.close()
            threads[1].join()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _took_ms(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return (time.perf_counter() - begun_s) * 1000
