"""The function as Lambda starts it: a fresh process, the real networks, AWS's API."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request as UrlRequest
from urllib.request import urlopen
from uuid import uuid4

import pytest

from cloud import aws
from cloud.http.keys import SCOPES, issue
from cloud.http.keys_table import KeysTable
from cloud.people_table import TableNames
from cloud.sightings_table import SightingsTable
from cloud.videos.ledger_table import LedgerTable
from infra.local.http_event import Request, event
from infra.local.ministack.server import REGION, MiniStackServer
from sightline.faces.engines import prepare_engine
from tests.cloud.conftest import _make_table
from tests.cloud.http.world import a_video, form

PROJECT = Path(__file__).parents[3]
PORTRAIT = (PROJECT / "tests" / "data" / "grace-hopper.jpg").read_bytes()

RUN = """
import json, sys
from cloud import api
json.dump([api.handler(event, None) for event in json.load(sys.stdin)], sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What the function finds."""

    environment: dict[str, str]
    buckets: dict[str, str]
    videos: LedgerTable
    key: str

    def ask(self, *requests: Request) -> list[dict[str, Any]]:
        """Start the function, and have it answer one request after the other."""
        events = [event(each, account="1", api="tests") for each in requests]
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            input=json.dumps(events),
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert self.key.split("_", 2)[2] not in done.stderr + done.stdout
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Request:
        sent = {"authorization": f"Bearer {self.key}", **(headers or {})}
        return Request(method=method, target=target, headers=tuple(sent.items()), body=body)


@pytest.fixture
def deployed(
    ministack: MiniStackServer,
    s3_client: aws.Client,
    dynamo_client: aws.Client,
    table_names: TableNames,
    sightings_table: SightingsTable,
) -> Deployed:
    buckets = {name: f"{name}-{uuid4()}" for name in ("media", "input", "output")}
    for bucket in buckets.values():
        s3_client.create_bucket(Bucket=bucket)
    keys = KeysTable(dynamo_client, _make_table(dynamo_client, "KeysTable"))
    key, text = issue("tests", SCOPES, now=datetime.now(UTC))
    keys.add(key)
    videos = LedgerTable(dynamo_client, _make_table(dynamo_client, "VideosTable"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",  # pragma: allowlist secret
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ministack.url,
        "SIGHTLINE_MEDIA_BUCKET": buckets["media"],
        "SIGHTLINE_INPUT_BUCKET": buckets["input"],
        "SIGHTLINE_OUTPUT_BUCKET": buckets["output"],
        "SIGHTLINE_KEYS_TABLE": keys.name,
        "SIGHTLINE_VIDEOS_TABLE": videos.name,
        "SIGHTLINE_PEOPLE_TABLE": table_names.people,
        "SIGHTLINE_FACES_TABLE": table_names.faces,
        "SIGHTLINE_META_TABLE": table_names.meta,
        "SIGHTLINE_SIGHTINGS_TABLE": sightings_table.name,
        "SIGHTLINE_MODELS": str(prepare_engine("dlib").parent),
    }
    return Deployed(environment=environment, buckets=buckets, videos=videos, key=text)


def read(answer: dict[str, Any], status: int) -> Any:
    assert answer["statusCode"] == status, answer
    return json.loads(answer["body"])


def test_who_is_enrolled_is_recognised_and_listed(
    deployed: Deployed, s3_client: aws.Client
) -> None:
    headers, body = form({"name": "Grace Hopper"}, [("photos", "g.jpg", PORTRAIT)])
    named, frame = form({"fileName": "Ä 1.jpg"}, [("file", "x", PORTRAIT)])
    enrolled, recognised, sightings, people, devices = deployed.ask(
        deployed.request("POST", "/v1/people", headers, body),
        deployed.request("POST", "/v1/frames", named, frame),
        deployed.request("GET", "/v1/sightings?person=grace-hopper"),
        deployed.request("GET", "/v1/people"),
        deployed.request("GET", "/v1/devices"),
    )

    assert read(enrolled, 201)["photos"][0]["accepted"]
    result = read(recognised, 200)
    assert [face["person"]["id"] for face in result["faces"]] == ["grace-hopper"]
    stored = s3_client.get_object(
        Bucket=deployed.buckets["media"], Key=recognised["headers"]["sightline-key"]
    )
    assert stored["Body"].read() == PORTRAIT
    assert (stored["ContentType"], stored["Metadata"]) == (
        "image/jpeg",
        {"file-name": "%C3%84 1.jpg"},
    )
    [seen] = read(sightings, 200)["sightings"]
    assert seen["frame_id"] == result["frame_id"]
    assert [person["id"] for person in read(people, 200)["people"]] == ["grace-hopper"]
    assert isinstance(read(devices, 200)["devices"], list)


def test_a_video_goes_to_its_place_by_the_signed_url_and_is_told_of(
    deployed: Deployed, s3_client: aws.Client
) -> None:
    done = a_video("seen.mp4")
    deployed.videos.write(done.finished("done", now=done.changed_at), expected=None)
    s3_client.put_object(Bucket=deployed.buckets["output"], Key="seen.txt", Body=b"Grace Hopper\n")
    sent = json.dumps({"fileName": "ä b.mp4", "sampling": "first"}).encode()
    asked, told = deployed.ask(
        deployed.request("POST", "/v1/videos", {"content-type": "application/json"}, sent),
        deployed.request("GET", "/v1/videos/seen"),
    )

    upload = read(asked, 201)["upload"]
    put = UrlRequest(upload["url"], b"a film", upload["headers"], method="PUT")  # noqa: S310
    with urlopen(put) as answer:  # noqa: S310 - MiniStack's own
        assert answer.status == 200
    stored = s3_client.get_object(Bucket=deployed.buckets["input"], Key=read(asked, 201)["key"])
    assert stored["Body"].read() == b"a film"
    assert stored["Metadata"] == {"sightline-sampling": "first"}
    with urlopen(read(told, 200)["outputs"]["txt"]) as answer:  # noqa: S310
        assert answer.read() == b"Grace Hopper\n"


def test_a_wrong_key_and_a_missing_table_are_told_apart(deployed: Deployed) -> None:
    health, nobody = deployed.ask(
        Request(method="GET", target="/v1/health", headers=()),
        Request(method="GET", target="/v1/people", headers=(("x-api-key", "sl_wrong"),)),
    )
    read(health, 200)
    read(nobody, 401)

    deployed.environment["SIGHTLINE_KEYS_TABLE"] = "no-such-table"
    [broken] = deployed.ask(deployed.request("GET", "/v1/people"))
    assert "no-such-table" not in broken["body"]
    read(broken, 500)
