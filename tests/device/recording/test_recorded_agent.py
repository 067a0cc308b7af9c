"""The whole agent, with its camera recorded."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from device.agent import Agent
from device.cameras.camera import Camera, Captured, Pace
from device.cameras.clip_camera import ClipCamera
from device.cameras.opencv_camera import LiveCamera
from device.journal import Journal
from device.network.local_link import LocalLink
from device.recording.building import open_recording
from device.recording.recording import Recording
from device.recording.ring import Ring
from device.recording.segment_store import SegmentFolder
from device.recording.settings import RecordingSettings
from device.settings import CameraSettings, Settings, StatusSettings
from device.spooling.memory_spool import MemorySpool
from sightline.errors import CameraError
from sightline.messages import Command, DeviceStatus, decode, encode
from sightline.topics import topic
from tests.device.fakes import (
    DEADLINE_S,
    Cloud,
    EndlessCamera,
    MemoryStore,
    Now,
    settings,
    until,
)
from tests.device.recording.film import broken_clip, number_in, numbered, numbers, play


class Film:
    """A live camera of numbered frames, 200 a second; then it is unplugged, stalls or ends."""

    def __init__(self, frames: int, then: Exception | threading.Event | None = None) -> None:
        self._frames, self._then = frames, then
        self.given = 0

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def capture(self, pace: Pace) -> Captured | None:
        while True:
            pace.pause(0.005)
            if self.given == self._frames:
                if isinstance(self._then, threading.Event):
                    self._then.wait(DEADLINE_S)
                    raise CameraError("camera source rtsp://camera: it has stopped giving frames")
                if self._then:
                    raise self._then
                return None
            number, self.given = self.given, self.given + 1
            if pace.remaining_s() > 0:
                continue
            return Captured(
                image=numbered(number),
                captured_at=datetime.now(UTC),
                captured_s=time.monotonic(),
            )


def recorded(folder: Path, **options: Any) -> Settings:
    given: dict[str, Any] = {"segment_s": 0.5, "duration_s": 0, "keep_free_bytes": 0, **options}
    recording = RecordingSettings(enabled=True, folder=folder / "ring", **given)
    return dataclasses.replace(
        settings(stop_timeout_s=DEADLINE_S),
        recording=recording,
        camera=CameraSettings(source="usb:0"),
        status=StatusSettings(every_s=1),
    )


@contextmanager
def agent_of(
    camera: Camera, chosen: Settings, folder: Path, link: LocalLink, **options: Any
) -> Iterator[tuple[Agent, Recording]]:
    journal = Journal()
    with open_recording(chosen, {}, journal, SegmentFolder(folder / "bucket")) as recording:
        assert recording
        agent = Agent(
            chosen, camera, MemorySpool(), MemoryStore(), link,
            recording=recording, journal=journal, **options,
        )  # fmt: skip
        yield agent, recording


def ring_in(folder: Path) -> Ring:
    ring = Ring(folder / "ring", max_bytes=10**9)
    ring.open()
    return ring


def test_each_frame_is_recorded_and_each_reference_says_where_in_the_video_it_is(
    tmp_path: Path,
) -> None:
    link = LocalLink()
    cloud = Cloud(link)
    with agent_of(Film(300), recorded(tmp_path), tmp_path, link) as (agent, _):
        agent.run(threading.Event())

    ring = ring_in(tmp_path)
    assert numbers(ring) == list(range(300))
    summary = agent.summary()
    assert (summary.recorded, summary.unrecorded) == (300, 0)
    assert summary.segments == len(ring.ids()) >= 2
    assert 10 <= summary.captured < 300  # for recognition: one each 20 ms
    assert len(cloud.references) == summary.captured
    for reference in cloud.references:
        assert reference.segment
        shown = [round(at * 1000) for at, _ in play(ring.path(reference.segment.id))]
        assert min(abs(at - reference.segment.offset_ms) for at in shown) <= 1


def test_slow_recognition_skips_to_the_newest_and_holds_up_nothing(tmp_path: Path) -> None:
    link, held, entered = LocalLink(), threading.Event(), threading.Event()

    class SlowSpool(MemorySpool):
        def put(self, frame: Any) -> tuple[str, ...]:
            entered.set()
            assert held.wait(DEADLINE_S)
            return super().put(frame)

    Cloud(link)
    chosen, camera, journal = recorded(tmp_path), Film(200), Journal()
    with open_recording(chosen, {}, journal, SegmentFolder(tmp_path / "b")) as recording:
        agent = Agent(
            chosen, camera, SlowSpool(), MemoryStore(), link, recording=recording, journal=journal
        )
        thread = threading.Thread(target=agent.run, args=(threading.Event(),), daemon=True)
        thread.start()
        assert entered.wait(DEADLINE_S)
        until(lambda: camera.given == 200)  # though recognition is at its first frame
        held.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()

    assert numbers(ring_in(tmp_path)) == list(range(200))
    summary = agent.summary()
    assert summary.captured == 2  # the first, and the newest
    assert summary.skipped >= 3


def test_segments_go_to_the_bucket_if_that_is_wanted(tmp_path: Path) -> None:
    link = LocalLink()
    Cloud(link)
    chosen = recorded(tmp_path, upload_video=True)
    with agent_of(Film(250), chosen, tmp_path, link) as (agent, _):
        agent.run(threading.Event())

    assert ring_in(tmp_path).ids() == ()
    files = sorted((tmp_path / "bucket").rglob("*.mp4"))
    shown = [number_in(image) for each in files for _, image in play(each)]
    assert shown == list(range(250))
    assert agent.summary().segments_uploaded == len(files) >= 2
    assert files[0].relative_to(tmp_path / "bucket").parts[:2] == ("segments", "front-door")


def test_a_camera_unplugged_in_a_segment_leaves_it_whole_and_goes_on_in_another(
    tmp_path: Path,
) -> None:
    chosen = recorded(tmp_path, segment_s=300)
    for _ in range(2):  # the supervisor starts the agent again
        link = LocalLink()
        Cloud(link)
        gone = Film(50, CameraError("camera source usb:0: it has stopped giving frames"))
        with (
            agent_of(gone, chosen, tmp_path, link) as (agent, _),
            pytest.raises(CameraError, match="usb:0"),
        ):
            agent.run(threading.Event())

    ring = ring_in(tmp_path)
    assert len(ring.ids()) == 2
    assert numbers(ring) == [*range(50), *range(50)]
    assert list((tmp_path / "ring").glob("*.part")) == []


def test_a_stream_that_stalls_without_closing_leaves_its_segment_whole(tmp_path: Path) -> None:
    link, stalled = LocalLink(), threading.Event()
    Cloud(link)
    chosen = recorded(tmp_path, segment_s=300)
    with agent_of(Film(50, stalled), chosen, tmp_path, link) as (agent, recording):
        recording._recorder._idle_s = 0.1  # five seconds
        failures: list[CameraError] = []

        def run() -> None:
            with pytest.raises(CameraError) as caught:
                agent.run(threading.Event())
            failures.append(caught.value)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        until(lambda: agent.summary().segments == 1)  # while the camera still says nothing
        stalled.set()
        thread.join(DEADLINE_S)

    assert "stopped giving frames" in str(failures[0])
    assert numbers(ring_in(tmp_path)) == list(range(50))


def test_after_the_duration_recognition_goes_on(tmp_path: Path) -> None:
    link = LocalLink()
    cloud = Cloud(link)
    chosen = recorded(tmp_path, duration_s=1.0)
    stop = threading.Event()
    with agent_of(EndlessCamera(), chosen, tmp_path, link) as (agent, recording):
        thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: not recording.each_frame)
        seen = len(cloud.references)
        until(lambda: len(cloud.references) >= seen + 5)
        stop.set()
        thread.join(DEADLINE_S)

    assert cloud.references[0].segment
    assert cloud.references[-1].segment is None
    assert agent.summary().segments in (2, 3)


def test_a_full_disk_stops_no_recognition_and_is_told_of_in_the_status(tmp_path: Path) -> None:
    link, heard = LocalLink(), list[DeviceStatus]()
    cloud = Cloud(link)
    link.subscribe("sightline/v1/+/status", lambda _, p: heard.append(decode(DeviceStatus, p)))
    chosen, stop = recorded(tmp_path, keep_free_bytes=10**12), threading.Event()
    with agent_of(EndlessCamera(), chosen, tmp_path, link) as (agent, _):
        thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: any("No space left" in (each.detail or "") for each in heard))
        until(lambda: len(cloud.references) >= 5)
        stop.set()
        thread.join(DEADLINE_S)

    assert cloud.references[-1].segment is None
    counters = heard[-1].counters
    assert counters
    assert (counters.recorded, (counters.unrecorded or 0) > 0) == (0, True)


def test_a_ring_that_cannot_be_made_stops_no_recognition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ring").write_text("a file where the folder should be")
    link = LocalLink()
    cloud = Cloud(link)
    with agent_of(EndlessCamera(), recorded(tmp_path), tmp_path, link, frames=5) as (agent, _):
        agent.run(threading.Event())

    assert len(cloud.references) == 5
    assert "recording waits" in caplog.text
    assert "File exists" in caplog.text


def test_a_pause_is_one_of_the_recording_too(tmp_path: Path) -> None:
    link, stop = LocalLink(), threading.Event()
    Cloud(link)
    with agent_of(EndlessCamera(), recorded(tmp_path), tmp_path, link) as (agent, _):
        thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: agent.summary().captured >= 2)
        link.publish(topic("front-door", "commands"), encode(Command(command="pause")))
        until(lambda: agent.summary().segments >= 1)  # the segment ends there
        until(lambda: not list((tmp_path / "ring").glob("*.part")))
        link.publish(topic("front-door", "commands"), encode(Command(command="resume")))
        until(lambda: bool(list((tmp_path / "ring").glob("*.part"))))
        stop.set()
        thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_recording_can_be_switched_on_while_the_agent_runs(tmp_path: Path) -> None:
    link, stop = LocalLink(), threading.Event()
    cloud = Cloud(link)
    on = recorded(tmp_path)
    off = dataclasses.replace(on, recording=dataclasses.replace(on.recording, enabled=False))
    with agent_of(EndlessCamera(), off, tmp_path, link) as (agent, recording):
        thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: len(cloud.references) >= 2)
        assert cloud.references[-1].segment is None
        recording.change(on.recording)
        until(lambda: cloud.references[-1].segment is not None)
        until(lambda: agent.summary().segments >= 1)
        recording.change(off.recording)
        until(lambda: cloud.references[-1].segment is None)
        stop.set()
        thread.join(DEADLINE_S)

    assert agent.summary().recorded > 0


def test_a_folder_of_pictures_is_not_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = dataclasses.replace(recorded(tmp_path), camera=CameraSettings(source=str(tmp_path)))
    with open_recording(chosen, {}, Journal(), SegmentFolder(tmp_path)) as recording:
        assert recording is None
    assert "a folder of pictures is nothing to record" in caplog.text


def test_a_clip_with_a_broken_group_of_pictures_is_recorded_but_for_that(tmp_path: Path) -> None:
    broken_clip(tmp_path / "clip.mp4")
    link = LocalLink()
    Cloud(link)
    camera = ClipCamera(tmp_path / "clip.mp4")
    with agent_of(camera, recorded(tmp_path), tmp_path, link) as (agent, _):
        agent.run(threading.Event())

    shown = numbers(ring_in(tmp_path))
    assert shown[:30] == list(range(30))
    assert shown[-30:] == list(range(50, 80))
    assert agent.summary().recorded == len(shown) < 80


@pytest.mark.parametrize("live", [False, True])
def test_frames_that_come_damaged_are_no_end_of_a_stream(tmp_path: Path, live: bool) -> None:
    broken_clip(tmp_path / "clip.mp4")
    camera: ClipCamera | LiveCamera = ClipCamera(tmp_path / "clip.mp4")
    if live:  # a clip stands for it, and ends, which a camera does not
        camera = LiveCamera("http://camera/video", width=64, height=48)
        camera._target = str(tmp_path / "clip.mp4")
    seen: list[int] = []
    with camera, contextlib.suppress(CameraError):
        while (captured := camera.capture(Now())) is not None:
            seen.append(number_in(captured.image))

    assert seen[:30] == list(range(30))
    assert seen[-30:] == list(range(50, 80))
    assert len(seen) < 80
