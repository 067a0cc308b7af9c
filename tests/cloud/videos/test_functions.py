"""The functions as Lambda starts them: fresh processes, a real film, real networks, AWS's API."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
from boto3.session import Session
from PIL import Image

from cloud import aws
from cloud.people_table import TableNames
from cloud.sightings_table import SightingsTable
from cloud.videos.ledger_table import LedgerTable
from infra.local.ministack.server import REGION, MiniStackServer
from sightline.faces.engines import prepare_engine
from tests.cloud.videos.film_making import write_film

PROJECT = Path(__file__).parents[3]
PORTRAIT = PROJECT / "tests" / "data" / "grace-hopper.jpg"
KEY = "sub/Grace +1 100% ä.b.mp4"
NAME = "sub/Grace +1 100% ä.b"

RUN = """
import json, sys
from cloud import {module}

class Context:
    def get_remaining_time_in_millis(self):
        return 600_000

assert not {{{heavy}}} & set(sys.modules), "too much is imported"
for event in json.load(sys.stdin):
    {module}.handler(event, Context())
assert not {{{never}}} & set(sys.modules), "too much is imported at last"
"""


class Chain:
    """The functions, and what they are told."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(
        self, module: str, events: list[Any], settings: dict[str, str], never: str = "'torch'"
    ) -> str:
        heavy = "'numpy', 'cv2', 'onnxruntime', 'boto3', 'PIL', 'av'"
        done = subprocess.run(
            [sys.executable, "-c", RUN.format(module=module, heavy=heavy, never=never)],
            input=json.dumps(events),
            env={**self._environment, **settings},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture
def chain(ministack: MiniStackServer) -> Chain:
    return Chain(
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "AWS_LAMBDA_FUNCTION_NAME": "split-video",
            "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",  # pragma: allowlist secret
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": ministack.url,
        }
    )


def a_film(folder: Path, pictures: int) -> bytes:
    with Image.open(PORTRAIT) as image:
        small = np.array(image.convert("RGB").resize((512, 600)))
    path = write_film(folder / "film.mp4", [small] * pictures, fps=2, metadata={"title": "Grace"})
    return path.read_bytes()


def queue_event(bodies: list[str]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"message-{number}", "body": body} for number, body in enumerate(bodies)
        ]
    }


def s3_event(bucket: str, key: str, put: Any, size: int) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "eventTime": "2026-11-21T12:00:00.512Z",
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": size,
                        "eTag": put["ETag"].strip('"'),
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
        ]
    }


def test_a_film_goes_through_all_functions(
    ministack: MiniStackServer,
    session: Session,
    s3_client: aws.Client,
    table_names: TableNames,
    sightings_table: SightingsTable,
    ledger_table: LedgerTable,
    bucket: str,
    chain: Chain,
    tmp_path: Path,
) -> None:
    sqs = aws.client(session, "sqs", ministack.url)
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    stage, outputs = f"{bucket}-stage-1", f"{bucket}-output"
    for name in (stage, outputs):
        s3_client.create_bucket(Bucket=name)
    data = a_film(tmp_path, 12)
    put = s3_client.put_object(Bucket=bucket, Key=KEY, Body=data)
    buckets = {
        "SIGHTLINE_STAGE_BUCKET": stage,
        "SIGHTLINE_OUTPUT_BUCKET": outputs,
        "SIGHTLINE_VIDEOS_TABLE": ledger_table.name,
    }

    chain.run(
        "split_video",
        [s3_event(bucket, KEY, put, len(data))],
        {
            **buckets,
            "SIGHTLINE_INPUT_BUCKET": bucket,
            "SIGHTLINE_VIDEO_QUEUE_URL": queue,
            "SIGHTLINE_VIDEO_SAMPLING": "every:0.5",
            "SIGHTLINE_MAX_VIDEO_MB": "100",
            "SIGHTLINE_VIDEO_DAYS": "7",
        },
        never="'cv2', 'onnxruntime'",
    )
    video = ledger_table.find(NAME)
    assert video is not None
    assert (video.state, video.stills, video.chunks) == ("recognizing", 12, 2)
    bodies: list[str] = []
    while len(bodies) < 2:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        bodies += [message["Body"] for message in received.get("Messages", ())]

    said = chain.run(
        "recognize_video",
        [queue_event(bodies), queue_event(bodies[:1])],
        {
            **buckets,
            "SIGHTLINE_SPLIT_FUNCTION": "split-video",
            "SIGHTLINE_PEOPLE_TABLE": table_names.people,
            "SIGHTLINE_FACES_TABLE": table_names.faces,
            "SIGHTLINE_META_TABLE": table_names.meta,
            "SIGHTLINE_SIGHTINGS_TABLE": sightings_table.name,
            "SIGHTLINE_MODELS": str(prepare_engine("dlib").parent),
        },
        never="'av'",
    )

    assert said == ""
    listed = {
        name: sorted(entry["Key"] for entry in s3_client.list_objects_v2(Bucket=name)["Contents"])
        for name in (stage, outputs)
    }
    stills = [f"{NAME}/{number:05}.jpg" for number in range(1, 13)]
    assert listed == {
        stage: sorted([f"{NAME}.jpg", *stills]),
        outputs: [f"{NAME}.csv", f"{NAME}.json", f"{NAME}.txt"],
    }

    def output(ending: str) -> str:
        answer = s3_client.get_object(Bucket=outputs, Key=f"{NAME}.{ending}")
        text: str = answer["Body"].read().decode()
        return text

    assert output("txt") == "unknown\n"
    report = json.loads(output("json"))
    assert (report["status"], report["problems"]) == ("complete", [])
    assert report["frames"] == {"sampled": 12, "recognized": 12, "rejected": 0, "missing": 0}
    assert report["film"]["codec"] == "h264"
    assert [s["offset_s"] for s in report["sightings"]] == [n / 2 for n in range(12)]
    assert {s["faces"][0]["decision"] for s in report["sightings"]} == {"unknown"}
    video = ledger_table.find(NAME)
    assert video is not None
    assert (video.state, video.stills_done) == ("done", 12)

    chain.run(
        "sweep_videos",
        [{}],
        {
            **buckets,
            "SIGHTLINE_SIGHTINGS_TABLE": sightings_table.name,
            "SIGHTLINE_STALL_MINUTES": "15",
        },
        never="'cv2', 'onnxruntime', 'PIL', 'av'",
    )


def test_events_that_are_nobodys_are_dropped(chain: Chain, ledger_table: LedgerTable) -> None:
    settings = {
        "SIGHTLINE_INPUT_BUCKET": "input",
        "SIGHTLINE_STAGE_BUCKET": "stage",
        "SIGHTLINE_OUTPUT_BUCKET": "output",
        "SIGHTLINE_VIDEOS_TABLE": ledger_table.name,
        "SIGHTLINE_VIDEO_QUEUE_URL": "queue",
    }
    said = chain.run(
        "split_video", [{}, {"continue": {}}, {"Event": "s3:TestEvent"}], settings, never="'av'"
    )

    assert said.count("dropped an event") == 2
