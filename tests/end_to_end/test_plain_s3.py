"""Any S3 client, knowing nothing of our code: a video goes in, and names come out."""

import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import boto3
import pytest
from PIL import Image

from infra.local.stack import LocalStack
from infra.target import Target
from tests.cloud.videos.film_making import write_sound
from tests.end_to_end.actors import eventually, run_command
from tests.end_to_end.films import empty_film, film_8k, grace_film, short_film, stranger_film

__all__ = ["empty_film", "film_8k", "grace_film", "short_film", "stranger_film"]

DEADLINE_S = 120


class PlainClient:
    """boto3 as its own documentation shows it; the stack is where AWS_ENDPOINT_URL says."""

    def __init__(self, input_bucket: str) -> None:
        self.s3: Any = boto3.client("s3")
        self.input = input_bucket
        self.stage = input_bucket.replace("-input", "-stage-1")
        self.output = input_bucket.replace("-input", "-output")

    def upload(self, key: str, data: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=self.input, Key=key, Body=data, **more)

    def find(self, bucket: str, key: str) -> bytes | None:
        try:
            data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return data

    def wait(self, bucket: str, key: str, *, deadline_s: float = DEADLINE_S) -> bytes:
        found: list[bytes] = []

        def there() -> bool:
            data = self.find(bucket, key)
            found.extend([] if data is None else [data])
            return data is not None

        eventually(f"{key} in {bucket}", there, deadline_s=deadline_s)
        return found[-1]

    def names(self, name: str) -> str:
        return self.wait(self.output, f"{name}.txt").decode()

    def report(self, name: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.wait(self.output, f"{name}.json"))
        return said

    def keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]


@pytest.fixture(scope="module")
def client(stack: LocalStack, target: Target, grace: str) -> Iterator[PlainClient]:
    """A client that has nothing but what anybody exports to speak to another S3."""
    printed = run_command(stack.settings.state, "env").out
    before = dict(os.environ)
    os.environ.update(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
    try:
        yield PlainClient(target.output("InputBucket"))
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def name() -> str:
    return f"video-{uuid4().hex[:8]}"


def test_x_mp4_in_the_input_bucket_becomes_x_jpg_in_stage_1_and_x_txt_in_output(
    client: PlainClient, grace_film: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", grace_film.read_bytes())

    assert client.names(name) == "Grace Hopper\n"
    poster = client.find(client.stage, f"{name}.jpg")
    assert poster is not None
    assert poster.startswith(b"\xff\xd8\xff")
    stills = client.keys(client.stage, f"{name}/")
    assert stills == [f"{name}/{number:05}.jpg" for number in range(1, 7)]
    table = client.find(client.output, f"{name}.csv")
    assert table is not None
    header, row = table.decode("utf-8-sig").splitlines()
    assert header.startswith("id,name,")
    assert row.startswith("grace-hopper,Grace Hopper,")
    said = client.report(name)
    assert (said["status"], said["frames"]["recognized"]) == ("complete", 6)
    assert [person["name"] for person in said["people"]] == ["Grace Hopper"]


def test_a_stranger_is_unknown_and_an_empty_room_has_no_names(
    client: PlainClient, stranger_film: Path, empty_film: Path, name: str
) -> None:
    client.upload(f"{name}-s.mp4", stranger_film.read_bytes())
    client.upload(f"{name}-e.mp4", empty_film.read_bytes())

    assert client.names(f"{name}-s") == "unknown\n"
    assert client.names(f"{name}-e") == ""


@pytest.mark.parametrize(
    ("key", "called"),
    [
        ("{}.take.2.mp4", "{}.take.2"),
        ("{} with spaces + & 50%.mp4", "{} with spaces + & 50%"),
        ("{} übung 日本.mov", "{} übung 日本"),
        ("{}/sub/folder/x.mkv", "{}/sub/folder/x"),
        ("{}-without-ending", "{}-without-ending"),
    ],
)
def test_names_are_kept_exactly(
    key: str, called: str, client: PlainClient, grace_film: Path, name: str
) -> None:
    client.upload(key.format(name), grace_film.read_bytes())

    called = called.format(name)
    assert client.names(called) == "Grace Hopper\n"
    assert client.find(client.stage, f"{called}.jpg") is not None
    assert client.report(called)["video"] == key.format(name)


def test_two_uploads_under_one_name_within_a_second_end_with_the_later(
    client: PlainClient, grace_film: Path, stranger_film: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", stranger_film.read_bytes())
    client.upload(f"{name}.mp4", grace_film.read_bytes())

    def is_the_later() -> bool:
        return client.find(client.output, f"{name}.txt") == b"Grace Hopper\n"

    eventually("result of the later upload", is_the_later, deadline_s=DEADLINE_S)
    assert client.report(name)["people"][0]["name"] == "Grace Hopper"


def test_a_video_uploaded_again_is_done_again(
    client: PlainClient, grace_film: Path, empty_film: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", grace_film.read_bytes())
    assert client.names(name) == "Grace Hopper\n"
    first = client.report(name)["job"]

    client.upload(f"{name}.mp4", empty_film.read_bytes())

    def is_done_again() -> bool:
        return client.find(client.output, f"{name}.txt") == b""

    eventually("second result", is_done_again, deadline_s=DEADLINE_S)
    assert client.report(name)["job"] != first


def test_an_upload_may_say_how_it_is_sampled(
    client: PlainClient, stack: LocalStack, grace_film: Path, name: str, tmp_path: Path
) -> None:
    data = grace_film.read_bytes()
    client.upload(f"{name}-1.mp4", data, Metadata={"sightline-sampling": "every:1"})
    client.upload(f"{name}-f.mp4", data, Metadata={"sightline-sampling": "first"})

    assert client.names(f"{name}-1") == client.names(f"{name}-f") == "Grace Hopper\n"
    assert len(client.keys(client.stage, f"{name}-1/")) == 3
    assert len(client.keys(client.stage, f"{name}-f/")) == 1
    assert client.report(f"{name}-1")["settings"]["sampling"] == "every:1"

    film = tmp_path / f"{name}-c.mp4"
    film.write_bytes(data)
    words = ("video", film, "--sampling", "first", "--out", tmp_path / "out")
    done = run_command(stack.settings.state, *words)
    assert done.status == 0, done.err
    assert (tmp_path / "out" / f"{name}-c.txt").read_text() == "Grace Hopper\n"
    assert len(client.keys(client.stage, f"{name}-c/")) == 1


def test_many_at_once_are_all_answered(client: PlainClient, short_film: Path, name: str) -> None:
    data = short_film.read_bytes()
    names = [f"{name}/{number:03}" for number in range(100)]

    def drop(each: str) -> None:
        client.upload(f"{each}.mp4", data, Metadata={"sightline-sampling": "every:1"})

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(drop, names))

    def answered() -> bool:
        keys = set(client.keys(client.output, f"{name}/"))
        return {f"{each}.txt" for each in names} <= keys

    eventually("result of each", answered, deadline_s=240)
    found = Counter(client.find(client.output, f"{each}.txt") for each in names)
    assert found == {b"Grace Hopper\n": 100}


def test_8k_is_made_smaller_within_the_memory_that_the_function_has(
    client: PlainClient, stack: LocalStack, target: Target, film_8k: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", film_8k.read_bytes(), Metadata={"sightline-sampling": "all"})

    assert client.names(name) == "Grace Hopper\n"
    said = client.report(name)
    assert (said["film"]["width"], said["film"]["height"]) == (7680, 4320)
    assert (said["status"], said["frames"]["recognized"]) == ("complete", 6)
    for key in client.keys(client.stage, f"{name}/"):
        with Image.open(io.BytesIO(client.wait(client.stage, key))) as still:
            assert still.size == (1920, 1080)
    function = target.output("SplitVideoFunction")
    settings = target.client("lambda").get_function_configuration(FunctionName=function)
    # The one of the workers that has split it has taken most; what they did before counts in.
    pids = stack.lambda_service.worker_pids(function)
    assert 0 < max(map(peak_mb, pids)) < settings["MemorySize"]


def peak_mb(pid: int) -> float:
    """Read the most memory that a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    [peak] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak) / 1024


def _sound(folder: Path, _film: bytes) -> bytes:
    return write_sound(folder / "sound.mp4").read_bytes()


def _frameless(folder: Path, _film: bytes) -> bytes:
    with av.open(str(folder / "none.mp4"), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        made.start_encoding()
    return (folder / "none.mp4").read_bytes()


BAD = {
    "empty": ({"empty"}, lambda folder, film: b""),
    "text": ({"not_a_video"}, lambda folder, film: b"I am a text. " * 200),
    "cut": ({"not_a_video", "no_frames"}, lambda folder, film: film[:600]),
    "audio": ({"no_video_stream"}, _sound),
    "frameless": ({"not_a_video", "no_frames"}, _frameless),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_video_gets_a_report_that_says_why(
    kind: str, client: PlainClient, grace_film: Path, name: str, tmp_path: Path
) -> None:
    reasons, make = BAD[kind]
    client.upload(f"{name}.mp4", make(tmp_path, grace_film.read_bytes()))

    said = client.report(name)

    assert said["status"] == "refused"
    assert said["reason"] in reasons
    assert said["detail"]
    assert client.find(client.output, f"{name}.txt") is None
    assert client.find(client.output, f"{name}.csv") is None


def test_a_picture_called_mp4_is_refused(client: PlainClient, name: str) -> None:
    picture = Path(__file__).parents[1] / "data" / "grace-hopper.jpg"
    client.upload(f"{name}.mp4", picture.read_bytes())

    said = client.report(name)

    assert (said["status"], said["reason"]) == ("refused", "not_a_video")
    assert "picture (JPEG)" in said["detail"]
    assert client.find(client.output, f"{name}.txt") is None


def test_what_lies_beside_a_film_on_a_cameras_card_leaves_its_result_alone(
    client: PlainClient, grace_film: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", grace_film.read_bytes())
    assert client.names(name) == "Grace Hopper\n"

    client.upload(f"{name}.srt", b"1\n00:00:00,000 --> 00:00:01,000\nHi\n")

    aside = client.report(f"{name}.srt")
    assert (aside["video"], aside["reason"]) == (f"{name}.srt", "not_a_video")
    assert client.names(name) == "Grace Hopper\n"
    assert client.report(name)["status"] == "complete"


def test_a_broken_tail_is_used_as_far_as_it_goes_and_said(
    client: PlainClient, grace_film: Path, name: str, tmp_path: Path
) -> None:
    data = _index_first(grace_film, tmp_path / "a.mp4").read_bytes()
    client.upload(f"{name}.mp4", data[: len(data) * 2 // 3])

    assert client.names(name) == "Grace Hopper\n"
    said = client.report(name)
    assert said["status"] == "complete"
    assert 0 < said["frames"]["recognized"] < 6
    assert said["problems"]


def test_a_raw_stream_as_the_pi_writes_it_is_read(
    client: PlainClient, grace_film: Path, name: str, tmp_path: Path
) -> None:
    client.upload(f"{name}.h264", _raw(grace_film, tmp_path / "a.h264").read_bytes())

    assert client.names(name) == "Grace Hopper\n"
    assert client.report(name)["film"]["codec"] == "h264"


def test_a_video_that_is_deleted_at_once_is_answered_or_refused_as_gone(
    client: PlainClient, grace_film: Path, name: str
) -> None:
    client.upload(f"{name}.mp4", grace_film.read_bytes())
    client.s3.delete_object(Bucket=client.input, Key=f"{name}.mp4")

    said = client.report(name)

    assert (said["status"], said["reason"]) in (("refused", "gone"), ("complete", None))


def _index_first(film: Path, to: Path) -> Path:
    """Copy a film so that its index comes first, as phones stream it: its end can be missing."""
    return _copy(film, to, options={"movflags": "faststart"})


def _raw(film: Path, to: Path) -> Path:
    """Copy a film without any container, and so without times."""
    return _copy(film, to, format="h264")


def _copy(film: Path, to: Path, **how: Any) -> Path:
    with av.open(str(film)) as given, av.open(str(to), "w", **how) as made:
        stream = given.streams.video[0]
        copy = made.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                made.mux(packet)
    return to
