"""The whole API over what is kept in the process, spoken to as API Gateway speaks to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp

from cloud.enrolment import Enrolment
from cloud.gallery import GalleryCache
from cloud.http.application import Services, application
from cloud.http.gateway import Gateway
from cloud.http.keys import SCOPES, Scope, issue
from cloud.http.memory import MemoryKeys, MemoryMedia, MemoryStatuses, MemoryVideos
from cloud.memory import MemoryRegister, MemoryResults, MemorySightings
from cloud.people import People
from cloud.recognition import Ports, Recognition
from cloud.register import Change
from cloud.videos import naming
from cloud.videos.memory import MemoryLedger
from cloud.videos.video import Video
from infra.local.http_event import Request, event
from sightline.messages import Counters, DeviceStatus
from tests.cloud.fakes import (
    BLUE,
    GREEN,
    GREY,
    NOON,
    RED,
    Clock,
    FakeEngine,
    FakeRecognizer,
    a_face,
    a_person,
    seen_face,
)

PER_MINUTE = 5

WHO_IS_IN = {
    RED: [seen_face(1, 0, 0, 0)],  # Ada, as enrolled
    GREEN: [seen_face(0, 1, 0, 0)],  # nobody
    BLUE: [seen_face(0, 0, 1, 0), seen_face(0, 1, 0, 0)],
    GREY: [seen_face(verdict="blurred")],
}

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The word for what is wrong; the response must be a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        kind: str = self.json["type"]
        return kind.removeprefix("urn:sightline:problem:")


@dataclass(slots=True, kw_only=True)
class World:
    """Everything around the API; Ada is enrolled, two videos and two cameras are known."""

    clock: Clock = field(default_factory=Clock)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    media: MemoryMedia = field(default_factory=MemoryMedia)
    register: MemoryRegister = field(default_factory=MemoryRegister)
    sightings: MemorySightings = field(default_factory=MemorySightings)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    recognizer: FakeRecognizer = field(default_factory=lambda: FakeRecognizer(WHO_IS_IN))

    def __post_init__(self) -> None:
        self.register.write(
            Change(person_id="ada-lovelace", expected=None, person=a_person(), added=(a_face(),))
        )
        self.ledger.write(a_video("uploads/x/a b.mp4"), expected=None)
        done = a_video("done.mp4").finished("done", now=NOON + timedelta(seconds=5))
        self.ledger.write(done, expected=None)

    def services(self, **others: Any) -> Services:
        """Open everything; *others* instead of what they are named after."""
        engine = FakeEngine()
        enrolment = Enrolment(
            recognizer=self.recognizer, engine=engine, register=self.register, now=self.clock.now
        )
        recognition = Recognition(
            Ports(
                frames=self.media,
                sightings=self.sightings,
                results=MemoryResults(),
                gallery=GalleryCache(self.register, engine=engine.id, dimension=engine.dimension),
                recognizer=self.recognizer,
                engine=engine,
            ),
            sighting_days=90,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        people = People(self.register, now=self.clock.now, examiner=enrolment)
        door = DeviceStatus(
            device="door", state="online", at=NOON, version="1.0", counters=Counters(captured=3)
        )
        gate = DeviceStatus(device="gate", state="offline", at=NOON, version="1.0")
        statuses = MemoryStatuses(door, gate)
        given: dict[str, Any] = {
            "keys": lambda: self.keys,
            "media": lambda: self.media,
            "photos": lambda: self.media,
            "recognition": lambda: recognition,
            "videos": MemoryVideos,
            "ledger": lambda: self.ledger,
            "people": lambda: people,
            "register": lambda: self.register,
            "sightings": lambda: self.sightings,
            "statuses": lambda: statuses,
        }
        return Services(**{**given, **others})

    def application(self, *, per_minute: int = PER_MINUTE, **others: Any) -> ASGIApp:
        return application(
            self.services(**others), requests_per_minute=per_minute, now=self.clock.now
        )

    def key(self, *scopes: Scope, valid_for: timedelta | None = None) -> str:
        """Make a key; with all scopes, if none is named."""
        until = None if valid_for is None else self.clock.now() + valid_for
        key, text = issue("tests", scopes or SCOPES, now=self.clock.now(), valid_until=until)
        self.keys.add(key)
        return text


class Client:
    """Whoever asks; without a key they are let in by IAM."""

    def __init__(self, app: ASGIApp, key: str | None = None) -> None:
        self._gateway = Gateway(app)
        self._key = key

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: Any = None,
        key: str | None = None,
        anonymous: bool = False,
    ) -> Answer:
        """Ask; *anonymous* without a key, and not by IAM."""
        sent = dict(headers or {})
        if json is not None:
            sent, body = {**JSON, **sent}, json_bytes(json)
        key = key or self._key
        if key and not anonymous:
            sent.setdefault("authorization", f"Bearer {key}")
        request = Request(method=method, target=target, headers=tuple(sent.items()), body=body)
        by_iam = None if key or anonymous else {"iam": {"userArn": "arn:aws:iam::1:user/tests"}}
        told = event(request, account="1", api="tests", authorizer=by_iam)
        answer = self._gateway(told, None)
        assert not answer["isBase64Encoded"]
        return Answer(
            status=answer["statusCode"], headers=answer["headers"], body=answer["body"].encode()
        )


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def form(
    fields: Mapping[str, str], files: list[tuple[str, str, bytes]]
) -> tuple[dict[str, str], bytes]:
    """Write `multipart/form-data`: its headers and its body; a file is field, name, bytes."""
    boundary = "a-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, file_name, data in files:
        head = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"'
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return {"content-type": f"multipart/form-data; boundary={boundary}"}, body


def a_video(key: str) -> Video:
    name = naming.name_of(key)
    return Video(
        name=name,
        key=key,
        job=naming.job_of(name, "1"),
        order="1",
        etag="e",
        bytes=100,
        uploaded_at=NOON,
        changed_at=NOON,
        expires_at=NOON + timedelta(days=1),
        settings={"sampling": "every:0.5"},
    )
