"""The function as Lambda starts it: a fresh process, the real networks, AWS's API."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from cloud import aws
from cloud.people_table import TableNames
from cloud.sightings_table import SightingsTable
from infra.local.ministack.server import REGION, MiniStackServer
from sightline.faces.engines import prepare_engine

PROJECT = Path(__file__).parents[2]
PORTRAIT = PROJECT / "tests" / "data" / "grace-hopper.jpg"
KEY = "frames/door/2026/11/21/f1.jpg"

# Nothing heavy may be imported before the handler is; then all is built before the first event.
RUN = """
import json, sys
from cloud import recognize
assert recognize._recognition.cache_info().currsize == 1, "not built while starting"
for event in json.load(sys.stdin):
    recognize.handler(event, None)
"""


def event(key: str) -> dict[str, object]:
    return {
        "payload": b64encode(json.dumps({"key": key}).encode()).decode(),
        "topic": "sightline/v1/door/frames",
        "client": "door",
        "received_ms": int(datetime.now(UTC).timestamp() * 1000),
    }


def test_it_serves_frames_and_keeps_what_it_answered(
    ministack: MiniStackServer,
    s3_client: aws.Client,
    table_names: TableNames,
    sightings_table: SightingsTable,
) -> None:
    bucket = f"media-{uuid4()}"
    s3_client.create_bucket(Bucket=bucket)
    s3_client.put_object(Bucket=bucket, Key=KEY, Body=PORTRAIT.read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",  # pragma: allowlist secret
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ministack.url,
        "SIGHTLINE_MEDIA_BUCKET": bucket,
        "SIGHTLINE_PEOPLE_TABLE": table_names.people,
        "SIGHTLINE_FACES_TABLE": table_names.faces,
        "SIGHTLINE_META_TABLE": table_names.meta,
        "SIGHTLINE_SIGHTINGS_TABLE": sightings_table.name,
        "SIGHTLINE_IOT_ENDPOINT": "",
        "SIGHTLINE_MODELS": str(prepare_engine("dlib").parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps([event(KEY), event(KEY), event("frames/door/none.jpg")]),
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answer = sightings_table.find("door", "f1")
    assert answer is not None
    assert [face.decision for face in answer.faces] == ["unknown"]
    assert "no_such_object" in done.stderr
    assert "answered again" not in done.stdout  # INFO is not shown unless Lambda says so


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("cloud.recognize", {"numpy", "cv2", "onnxruntime", "boto3", "PIL"}),
        ("cloud.people, cloud.people_table, cloud.records", {"cv2", "onnxruntime", "PIL"}),
    ],
)
def test_what_does_not_look_at_pictures_imports_nothing_heavy(
    modules: str, heavy: set[str]
) -> None:
    code = f"import sys; import {modules}; assert not {heavy} & set(sys.modules)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=PROJECT, check=True)
