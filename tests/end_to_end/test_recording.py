"""A camera that is recorded: its segments in the bucket, and where in them each frame is."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from device.network import identity
from device.network.credentials import CredentialsEndpoint
from device.network.s3_frame_store import S3FrameStore
from device.network.s3_segment_store import S3SegmentStore
from device.recording.lane import Lane
from device.recording.ring import Ring
from device.settings import Settings
from infra.target import Target
from sightline.messages import FrameCaptured, decode
from sightline.topics import topic
from tests.device.recording.film import (
    frame,
    number_in,
    numbered,
    play,
    recorder,
)
from tests.end_to_end.actors import Agent, Device, Operator

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]


@pytest.fixture
def bucket(target: Target) -> Callable[[str], dict[str, bytes]]:
    """What lies in the media bucket below a prefix, by key."""
    s3, name = target.client("s3"), target.output("MediaBucket")

    def look(prefix: str) -> dict[str, bytes]:
        listed = s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
        return {
            each["Key"]: s3.get_object(Bucket=name, Key=each["Key"])["Body"].read()
            for each in listed
        }

    return look


def make_clip(folder: Path, frames: int) -> Path:
    """A clip of numbered frames, 25 a second."""
    ring = Ring(folder, max_bytes=10**9)
    source = recorder(ring, segment_s=300, queue_bytes=10**9)
    for number in range(frames):
        source.offer(frame(number, fps=25, image=cv2.resize(numbered(number), (512, 128))))
    source.close()
    source.run()
    ring.close()
    return ring.path(ring.ids()[0])


def numbers_in(folder: Path, videos: dict[str, bytes]) -> list[int]:
    shown = []
    for key in sorted(videos):
        path = folder / "video.mp4"
        path.write_bytes(videos[key])
        shown += [number_in(cv2.resize(image, (128, 32))) for _, image in play(path)]
    return shown


def test_a_recorded_cameras_segments_lie_in_the_bucket_whole_and_frames_refer_to_them(
    device: MakeDevice,
    start_agent: StartAgent,
    operator: Operator,
    bucket: Callable[[str], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    camera = device()
    camera.configure(
        "[frames]",
        "[recording]\nenabled = true\nduration_s = 300\nsegment_s = 0.5\nupload_video = true\n"
        "[frames]",
    )
    operator.watch(topic(camera.thing, "frames"))
    agent = start_agent(camera, "--camera", make_clip(tmp_path / "clip", 100), "--json")
    assert agent.wait(deadline_s=60) == 0, agent.log

    videos = bucket(f"segments/{camera.thing}/")
    assert 7 <= len(videos) <= 9  # of four seconds
    assert numbers_in(tmp_path, videos) == list(range(100))
    summary = json.loads(agent.lines[-1])
    assert (summary["recorded"], summary["unrecorded"]) == (100, 0)
    assert summary["segments"] == summary["segments_uploaded"] == len(videos)
    heard = operator.seen(lambda each: each.topic == topic(camera.thing, "frames"))
    segments = [decode(FrameCaptured, each.payload).segment for each in heard]
    assert len(segments) == summary["captured"] >= 4
    assert {each.id for each in segments if each} <= {Path(key).stem for key in videos}
    assert None not in segments


def test_without_upload_segments_stay_on_the_device(
    device: MakeDevice,
    start_agent: StartAgent,
    bucket: Callable[[str], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    camera = device()
    camera.configure("[frames]", '[recording]\nenabled = true\nfolder = "video"\n[frames]')
    agent = start_agent(camera, "--camera", make_clip(tmp_path / "clip", 30))
    assert agent.wait() == 0, agent.log

    ring = Ring(camera.folder / "video", max_bytes=10**9)
    ring.open()
    assert len(ring.ids()) == 1
    assert len(play(ring.path(ring.ids()[0]))) == 30
    assert bucket(f"segments/{camera.thing}/") == {}
    assert "30 frames recorded in 1 segments" in agent.log


def test_a_large_segment_goes_in_parts_with_the_devices_own_rights(
    device: MakeDevice, bucket: Callable[[str], dict[str, bytes]], tmp_path: Path
) -> None:
    camera = device()
    settings = Settings.load(camera.settings)
    endpoint = CredentialsEndpoint(
        settings.storage.credentials_endpoint,
        settings.storage.role_alias,
        camera.thing,
        identity.load(settings.iot),
    )
    store = S3SegmentStore(S3FrameStore(settings.storage, endpoint.fetch).bucket, Lane())
    path, key = tmp_path / "a.mp4", f"segments/{camera.thing}/2026/11/21/a.mp4"
    data = bytes(range(256)) * 4 * 1024 * 17  # 17 MiB: three parts
    path.write_bytes(data)
    store.put(key, path)
    assert bucket(key) == {key: data}

    path.write_bytes(data[::-1])
    store.put(key, path)  # the first one stays
    assert bucket(key) == {key: data}
