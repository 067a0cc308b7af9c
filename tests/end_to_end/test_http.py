"""The HTTP API of the stack, as any HTTP client meets it."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from infra.local.stack import LocalStack
from infra.target import Target
from sightline.messages import FrameRecognized, decode
from tests.end_to_end.actors import DATA, eventually, run_command
from tests.end_to_end.films import grace_film

__all__ = ["grace_film"]

pytestmark = pytest.mark.stack

PORTRAIT = DATA / "grace-hopper.jpg"
STRANGER = DATA / "eileen-collins.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"].startswith("application/problem+json"), self.body
        said = self.json
        assert said["status"] == self.status
        return said


Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def url(stack: LocalStack) -> str:
    return stack.facts.http_url


def request(
    method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    asked = urllib.request.Request(  # noqa: S310 - http of this machine
        address, data=body, method=method, headers=dict(headers or {})
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as got:  # noqa: S310
            return Answer(
                status=got.status,
                headers={k.lower(): v for k, v in got.headers.items()},
                body=got.read(),
            )
    except urllib.error.HTTPError as err:
        with err:
            return Answer(
                status=err.code,
                headers={k.lower(): v for k, v in err.headers.items()},
                body=err.read(),
            )


def make_key(state: Path, *scopes: str) -> str:
    words = [word for scope in scopes for word in ("--scope", scope)]
    done = run_command(state, "keys", "add", f"tests {uuid4().hex[:6]}", *words)
    assert done.status == 0, done.err
    return done.out.strip()


@pytest.fixture(scope="module")
def key(stack: LocalStack) -> str:
    return make_key(stack.settings.state, "read", "recognise", "enrol")


@pytest.fixture(scope="module")
def call(url: str, key: str) -> Call:
    def send(
        method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {key}"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        return request(method, url + path, body, headers)

    return send


def form(**fields: "str | tuple[str, bytes]") -> tuple[bytes, str]:
    """Write a multipart form: a text, or a file's name and bytes, a field."""
    boundary = uuid4().hex
    parts = []
    for name, value in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, tuple):
            file_name, data = value
            head += f'; filename="{file_name}"\r\nContent-Type: application/octet-stream'
        else:
            data = value.encode()
        parts.append(f"{head}\r\n\r\n".encode() + data + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def names(answer: Answer) -> list[str]:
    """Read who is in a frame, out of the very message that MQTT carries."""
    assert answer.status == 200, answer.body
    result = decode(FrameRecognized, answer.body)
    return [face.person.name if face.person else face.decision for face in result.faces]


@pytest.mark.parametrize("way", ["body", "form", "json"])
def test_a_picture_is_kept_recognised_and_answered(
    way: str, call: Call, target: Target, grace: str
) -> None:
    data = PORTRAIT.read_bytes()
    if way == "body":
        body, kind = data, "image/jpeg"
    elif way == "form":
        body, kind = form(file=("grace.jpg", data), fileName="grace.jpg")
    else:
        text = base64.b64encode(data).decode()
        body, kind = (
            json.dumps({"imgStr": text, "imgName": "grace.jpg"}).encode(),
            "application/json",
        )

    answer = call("POST", "/v1/frames", body, kind)

    assert names(answer) == ["Grace Hopper"]
    assert answer.json["faces"][0]["person"]["record"]["rank"] == "Rear Admiral"
    stored = target.client("s3").get_object(
        Bucket=target.output("MediaBucket"), Key=answer.headers["sightline-key"]
    )
    assert stored["Body"].read() == data
    assert answer.headers["sightline-key"].startswith(f"frames/{answer.json['device']}/")


def test_a_png_of_a_stranger_is_nobody(call: Call, grace: str) -> None:
    assert names(call("POST", "/v1/frames", STRANGER.read_bytes(), "image/png")) == ["unknown"]


def test_a_video_is_uploaded_asked_after_and_read(call: Call, grace: str, grace_film: Path) -> None:
    asked = json.dumps({"fileName": "the door.mp4", "sampling": "every:1"}).encode()
    made = call("POST", "/v1/videos", asked, "application/json")
    assert made.status == 201, made.body
    upload, job = made.json["upload"], made.json["job"]
    assert call("GET", job).status in (200, 404)  # nothing was uploaded yet

    put = request(upload["method"], upload["url"], grace_film.read_bytes(), upload["headers"])
    assert put.status == 200, put.body

    def finished() -> Any:
        said = call("GET", job)
        return said.json if said.status == 200 and said.json["outputs"] else None

    video = eventually("finished video", finished, deadline_s=60)
    assert video["state"] == "done"
    assert request("GET", video["outputs"]["txt"]).body == b"Grace Hopper\n"
    assert json.loads(request("GET", video["outputs"]["json"]).body)["status"] == "complete"


def test_a_person_is_enrolled_seen_changed_and_forgotten(call: Call) -> None:
    name = f"Eileen {uuid4().hex[:6]}"
    body, kind = form(
        name=name, record='{"flights": 4}', photos=("eileen.png", STRANGER.read_bytes())
    )
    made = call("POST", "/v1/people", body, kind)
    assert made.status == 201, made.body
    person_id = made.json["person"]["id"]
    try:
        begun = datetime.now(UTC)
        seen = call("POST", "/v1/frames", STRANGER.read_bytes(), "image/png")
        assert names(seen) == [name]

        patched = call(
            "PATCH", f"/v1/people/{person_id}", b'{"record": {"flights": 5}}', "application/json"
        )
        assert patched.status == 200, patched.body
        assert call("GET", f"/v1/people/{person_id}").json["record"] == {"flights": 5}
        assert person_id in [person["id"] for person in call("GET", "/v1/people").json["people"]]

        since = quote(begun.isoformat())
        listed = call("GET", f"/v1/sightings?person={person_id}&since={since}")
        assert [each["frame_id"] for each in listed.json["sightings"]] == [seen.json["frame_id"]]
        device = seen.json["device"]
        by_device = call("GET", f"/v1/sightings?device={device}&since={since}")
        assert seen.json["frame_id"] in [each["frame_id"] for each in by_device.json["sightings"]]
        both = call("GET", f"/v1/sightings?person={person_id}&device={device}")
        assert [each["frame_id"] for each in both.json["sightings"]] == [seen.json["frame_id"]]
        elsewhere = call("GET", f"/v1/sightings?person={person_id}&device=another-{device}")
        assert elsewhere.json == {"sightings": [], "cursor": None}
    finally:
        gone = call("DELETE", f"/v1/people/{person_id}")
    assert gone.status in (200, 204)
    assert call("GET", f"/v1/people/{person_id}").problem["status"] == 404
    assert names(call("POST", "/v1/frames", STRANGER.read_bytes(), "image/png")) == ["unknown"]


def test_devices_are_listed_with_what_they_said_last(
    call: Call, device: Callable[..., Any], start_agent: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    camera = device()
    agent = start_agent(camera, "--camera", tmp_path / "pictures")
    assert agent.wait() == 0, agent.log

    listed = call("GET", "/v1/devices")

    assert listed.status == 200, listed.body
    [found] = [each for each in listed.json["devices"] if each["device"] == camera.thing]
    assert found["state"] == "offline"


def test_health_and_the_description_need_no_key(url: str) -> None:
    assert request("GET", f"{url}/v1/health").status == 200
    described = request("GET", f"{url}/v1/openapi.json").json
    assert described["openapi"].startswith("3.1")
    assert "/v1/frames" in described["paths"]


def test_who_has_no_key_or_not_the_scope_is_turned_away(stack: LocalStack, url: str) -> None:
    assert request("GET", f"{url}/v1/people").problem["status"] == 401
    wrong = {"Authorization": f"Bearer sl_{'a' * 12}_{'A' * 43}"}
    assert request("GET", f"{url}/v1/people", headers=wrong).problem["status"] == 401
    reader = {"Authorization": f"Bearer {make_key(stack.settings.state, 'read')}"}
    assert request("GET", f"{url}/v1/people", headers=reader).status == 200
    refused = request("DELETE", f"{url}/v1/people/grace-hopper", headers=reader)
    assert refused.problem["status"] == 403


def test_a_revoked_key_opens_nothing_more(stack: LocalStack, url: str) -> None:
    key = make_key(stack.settings.state, "read")
    headers = {"Authorization": f"Bearer {key}"}
    assert request("GET", f"{url}/v1/people", headers=headers).status == 200

    revoked = run_command(stack.settings.state, "keys", "revoke", key.split("_")[1])

    assert revoked.status == 0, revoked.err
    assert request("GET", f"{url}/v1/people", headers=headers).problem["status"] == 401
    listed = run_command(stack.settings.state, "keys", "list")
    assert key.split("_")[1] in listed.out
    assert key.split("_", 2)[2] not in listed.out


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"", "image/jpeg", 400, ""),
        (b"I am no picture", "image/jpeg", 422, ""),
        (b'{"imgStr": "?!", "imgName": "a.jpg"}', "application/json", 400, "base64"),
        (b'{"imgName": "a.jpg"}', "application/json", 400, "imgStr"),
        (b"{", "application/json", 400, "JSON"),
        (b"hello", "text/plain", 415, ""),
        (b"\xff\xd8" + bytes(7_000_000), "image/jpeg", 413, "/v1/videos"),
    ],
    ids=["empty", "no-picture", "no-base64", "no-image", "no-json", "text", "seven-megabytes"],
)
def test_what_cannot_be_served_is_a_problem_that_says_why(
    body: bytes, kind: str, status: int, says: str, call: Call
) -> None:
    said = call("POST", "/v1/frames", body, kind).problem

    assert said["status"] == status
    assert says in said["detail"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\\b.jpg", "/root.jpg", "a\u202egpj.exe"])
def test_a_file_name_leads_nowhere_else(name: str, call: Call, grace: str) -> None:
    body, kind = form(file=("x.jpg", PORTRAIT.read_bytes()), fileName=name)

    answer = call("POST", "/v1/frames", body, kind)

    if answer.status == 200:
        assert answer.headers["sightline-key"].startswith(f"frames/{answer.json['device']}/")
    else:
        assert answer.problem["status"] == 400
