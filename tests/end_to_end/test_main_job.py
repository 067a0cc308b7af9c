"""The main job: a camera's frame goes up, the person's record comes back."""

import json
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from infra.demo import clip as clips
from infra.demo.rehearsal import KNOWN, RECORD, portrait
from infra.operating.operator_client import Received
from infra.target import Target
from sightline import wire
from sightline.messages import Command, DeviceStatus, FrameRecognized, decode, encode
from sightline.topics import topic
from tests.end_to_end import pictures
from tests.end_to_end.actors import Agent, Device, Operator, eventually

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("grace")]

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]

CLOCK = r"\d\d:\d\d:\d\d\.\d{3}"
KEY = re.compile(r"frames/(?P<device>[\w-]+)/(?P<day>\d{4}/\d\d/\d\d)/(?P<id>[0-9a-f-]{36})\.jpg")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Four pictures, as a camera: Grace Hopper, she and Eileen Collins, the latter, nobody."""
    folder = tmp_path / "album"
    folder.mkdir()
    shown = (pictures.grace(), pictures.both(), pictures.eileen(), pictures.nobody())
    for number, picture in enumerate(shown):
        (folder / f"{number}.jpg").write_bytes(pictures.jpeg(picture))
    return folder


@pytest.fixture
def camera(device: MakeDevice) -> Device:
    """A device that takes a frame each tenth of a second."""
    made = device()
    made.configure("interval_s = 0.5", "interval_s = 0.1")
    return made


def read_report(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of results, and the summary."""
    *rows, summary = [json.loads(line) for line in path.read_text().splitlines()]
    assert summary["kind"] == "summary"
    return rows, summary


def statuses(operator: Operator, device: Device, state: str) -> list[DeviceStatus]:
    """Wait for a retained status of *device*, as whoever looks later will find it."""

    def matches(received: Received) -> bool:
        if received.topic != topic(device.thing, "status"):
            return False
        return decode(DeviceStatus, received.payload).state == state

    found = operator.wait_for(matches)
    return [decode(DeviceStatus, each.payload) for each in found]


def retained_status(operator: Operator, device: Device) -> DeviceStatus:
    """The status that a new subscriber gets at once."""
    where = topic(device.thing, "status")
    before = len(operator.seen(lambda each: each.topic == where and each.retained))
    operator.watch(where)
    found = operator.wait_for(lambda each: each.topic == where and each.retained, count=before + 1)
    return decode(DeviceStatus, found[-1].payload)


def test_who_is_in_each_picture_is_printed_with_their_record(
    camera: Device, album: Path, start_agent: StartAgent
) -> None:
    agent = start_agent(camera, "--camera", album)

    assert agent.wait() == 0, agent.log
    known = rf"{CLOCK}  Grace Hopper  known  0\.\d\d < 0\.55.*  {{.*}}  \d+ ms"
    unknown = rf"{CLOCK}  nobody enrolled  \d\.\d\d ≥ 0\.55.*  \d+ ms"
    empty = rf"{CLOCK}  nobody in view  \d+ ms"
    found = [[p for p in (known, unknown, empty) if re.fullmatch(p, s)] for s in agent.lines]
    assert sorted(p for matched in found for p in matched) == sorted(
        [known, known, unknown, unknown, empty]
    ), agent.lines
    for line in agent.lines:
        if "Grace Hopper" in line:
            assert json.dumps(RECORD) in line
    assert "Traceback" not in agent.log


def test_every_frame_is_answered_once_and_written_down(
    camera: Device, album: Path, start_agent: StartAgent, operator: Operator, tmp_path: Path
) -> None:
    agent = start_agent(camera, "--camera", album, "--report", tmp_path / "report.jsonl")

    assert agent.wait() == 0, agent.log
    rows, summary = read_report(tmp_path / "report.jsonl")
    assert [row["kind"] for row in rows] == ["recognized"] * 4
    assert len({row["frame_id"] for row in rows}) == 4
    assert all(row["new"] for row in rows)
    for row in rows:
        result = wire.load(FrameRecognized, row["result"])
        assert (result.device, result.frame_id) == (camera.thing, row["frame_id"])
        latencies = row["latencies_ms"]
        assert {"encode", "upload", "answer", "total", "cloud.detect"} <= set(latencies)
        assert 0 < latencies["cloud.detect"] < latencies["total"]
    done = {name: summary[name] for name in ("captured", "uploaded", "published", "answered")}
    assert set(done.values()) == {4}
    left = {name: summary[name] for name in ("rejected", "dropped", "unanswered", "repeated")}
    assert set(left.values()) == {0}
    assert summary["decisions"] == {"known": 2, "unknown": 2}
    assert summary["people"] == {"Grace Hopper": 2}
    # Whoever else listens saw each once, too.
    ids = {row["frame_id"] for row in rows}
    for frame_id in ids:
        operator.recognized(frame_id)
    assert len(operator.seen(lambda each: f"/{camera.thing}/" in each.topic)) == 4


def test_frames_and_sightings_are_kept_for_a_time(
    camera: Device, album: Path, start_agent: StartAgent, target: Target, grace: str
) -> None:
    agent = start_agent(camera, "--camera", album, "--json")

    assert agent.wait() == 0, agent.log
    *rows, summary = [json.loads(line) for line in agent.lines]
    assert summary["kind"] == "summary"
    s3, bucket = target.client("s3"), target.output("MediaBucket")
    objects = s3.list_objects_v2(Bucket=bucket, Prefix=f"frames/{camera.thing}/")["Contents"]
    assert sorted(each["Key"] for each in objects) == sorted(row["key"] for row in rows)
    for row in rows:
        key = KEY.fullmatch(row["key"])
        assert key is not None, row["key"]
        captured_at = wire.read_time(row["result"]["captured_at"])
        assert (key["device"], key["id"]) == (camera.thing, row["frame_id"])
        assert key["day"] == f"{captured_at:%Y/%m/%d}"
        assert UUID(key["id"]).version == 7
        head = s3.head_object(Bucket=bucket, Key=row["key"])
        assert head["ContentType"] == "image/jpeg"

    items = target.client("dynamodb").query(
        TableName=target.output("SightingsTable"),
        KeyConditionExpression="device = :device",
        ExpressionAttributeValues={":device": {"S": camera.thing}},
    )["Items"]
    frames = [item for item in items if "result" in item]
    assert sorted(item["frame_id"]["S"] for item in frames) == sorted(r["frame_id"] for r in rows)
    assert [item["person_id"]["S"] for item in items if "person_id" in item] == [grace, grace]
    for item in items:
        kept_for = datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC) - datetime.now(UTC)
        assert timedelta(days=89) < kept_for <= timedelta(days=90)


def test_status_is_kept_online_then_offline_once_it_was_stopped(
    camera: Device, album: Path, start_agent: StartAgent, operator: Operator
) -> None:
    operator.watch(topic(camera.thing, "status"))
    agent = start_agent(camera, "--camera", album, "--loop")
    agent.wait_for_lines(9)  # a frame has up to three: one for each face

    assert retained_status(operator, camera).state == "online"
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0, agent.log

    [*_, last] = statuses(operator, camera, "offline")
    assert last.detail == "stopped"
    assert last.counters is not None
    assert last.counters.captured == last.counters.answered >= 3
    assert last.spooled == 0
    assert retained_status(operator, camera) == last


def test_the_broker_says_offline_for_an_agent_that_was_killed(
    camera: Device, album: Path, start_agent: StartAgent, operator: Operator
) -> None:
    operator.watch(topic(camera.thing, "status"))
    agent = start_agent(camera, "--camera", album, "--loop")
    agent.wait_for_lines(1)
    statuses(operator, camera, "online")

    agent.signal(signal.SIGKILL)

    [*_, last] = statuses(operator, camera, "offline")
    assert last.detail == "connection lost"
    assert retained_status(operator, camera) == last


def test_ctrl_c_is_a_clean_stop_too(
    camera: Device, album: Path, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent(camera, "--camera", album, "--loop", "--report", tmp_path / "report.jsonl")
    agent.wait_for_lines(2)

    agent.signal(signal.SIGINT)

    assert agent.wait() == 0, agent.log
    _, summary = read_report(tmp_path / "report.jsonl")
    assert summary["captured"] == summary["answered"]
    assert "Traceback" not in agent.log


def test_a_hook_gets_each_result_as_json(
    camera: Device, album: Path, start_agent: StartAgent, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    command = ["sh", "-c", 'cat > "$0/$$" && mv "$0/$$" "$0/$$.json"', str(given)]
    camera.configure("hook = []", f"hook = {json.dumps(command)}")
    agent = start_agent(camera, "--camera", album, "--loop")

    eventually("four results", lambda: len(list(given.glob("*.json"))) >= 4)
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0, agent.log

    results = [decode(FrameRecognized, path.read_bytes()) for path in given.glob("*.json")]
    assert {result.device for result in results} == {camera.thing}
    assert len({result.frame_id for result in results}) == len(results)
    people = [face.person for result in results for face in result.faces if face.person]
    assert {person.name for person in people} == {"Grace Hopper"}
    assert people[0].record == RECORD


def test_a_clip_is_played_again_and_again(
    camera: Device, start_agent: StartAgent, tmp_path: Path
) -> None:
    clip, report = tmp_path / "clip.mp4", tmp_path / "report.jsonl"
    truth = clips.make_clip(
        clip, {KNOWN: portrait(KNOWN)}, (clips.Scene(seconds=0.6, names=(KNOWN,)),)
    )
    options = ("--camera", clip, "--loop", "--frames", "8", "--report", report)
    agent = start_agent(camera, *options)

    assert agent.wait() == 0, agent.log
    rows, summary = read_report(report)
    assert summary["captured"] == summary["answered"] == 8 > len(truth)
    named = {face["person"]["name"] for row in rows for face in row["result"]["faces"]}
    assert named == {KNOWN}
    assert {(row["result"]["width"], row["result"]["height"]) for row in rows} == {(1280, 720)}


def test_a_paused_device_takes_only_the_frames_it_is_told_to(
    camera: Device, album: Path, start_agent: StartAgent, operator: Operator
) -> None:
    camera.configure("interval_s = 0.1", "interval_s = 0.03")
    status, commands = topic(camera.thing, "status"), topic(camera.thing, "commands")
    operator.watch(status)
    agent = start_agent(camera, "--camera", album, "--loop", "--json")
    agent.wait_for_lines(1)

    def captured(told: str) -> int:
        """How many frames it had taken when it said that it has done what *told* asks for."""
        found = operator.wait_for(
            lambda each: (
                each.topic == status
                and any(
                    answer.command_id == told
                    for answer in decode(DeviceStatus, each.payload).commands or ()
                )
            )
        )
        said = decode(DeviceStatus, found[0].payload)
        assert said.paused
        assert said.counters is not None
        return said.counters.captured

    operator.publish(commands, encode(Command(command="pause", command_id="first")))
    before = captured("first")
    for number in range(1, 5):
        operator.publish(commands, encode(Command(command="capture")))
        agent.wait_for_lines(before + number)
    operator.publish(commands, encode(Command(command="identify-yourself", command_id="last")))
    after = captured("last")

    # One may have been on its way when it was told to pause.
    assert before + 4 <= after <= before + 5
    operator.publish(commands, encode(Command(command="resume")))
    agent.wait_for_lines(after + 3)
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0, agent.log
