"""Buckets and a table on a real S3 and DynamoDB, and somebody who plays the functions' part."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.account import Account
from infra.cli import main
from infra.local.facts import LocalFacts
from infra.videos.buckets import S3Bucket
from tests.infra.videos.memory import MemoryStack


class RealBucket(S3Bucket):
    """Takes bytes, too."""

    def put_data(self, key: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data, Metadata=dict(metadata or {}))


class PlayedStack(MemoryStack):
    """See `MemoryStack`: what is uploaded to its real buckets is answered as `play` says."""

    def __init__(self, account: Account, state: Path) -> None:
        super().__init__()
        self.name = f"played-{uuid4().hex[:8]}"
        self.state = state
        self._account = account
        s3 = account.client("s3")
        for part in ("input", "stage", "output"):
            bucket = RealBucket(s3, f"{self.name}-{part}")
            s3.create_bucket(Bucket=bucket.name)
            setattr(self, part, bucket)
        account.client("dynamodb").create_table(
            TableName=f"{self.name}-videos",
            KeySchema=[
                {"AttributeName": "video", "KeyType": "HASH"},
                {"AttributeName": "row", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "video", "AttributeType": "S"},
                {"AttributeName": "row", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self._facts(account).write(state)
        self.play: Callable[[str], Any] = self.answer
        self._answered: set[tuple[str, str, object]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="played stack", daemon=True)
        self._thread.start()

    def run(self, *words: str | Path) -> int:
        """Run a command on it."""
        return main(["--state", str(self.state), *(str(each) for each in words)])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _facts(self, account: Account) -> LocalFacts:
        key = account.session.get_credentials()
        return LocalFacts(
            stack=self.name,
            region=account.region,
            endpoint=account.endpoint or "",
            root_key_id=key.access_key,
            root_secret=key.secret_key,
            mqtt_host="127.0.0.1",
            mqtt_port=1,
            credentials="127.0.0.1:1",
            lambda_url="",
            http_url="",
            ca="",
            outputs={
                "InputBucket": f"{self.name}-input",
                "StageBucket": f"{self.name}-stage",
                "OutputBucket": f"{self.name}-output",
                "VideosTable": f"{self.name}-videos",
            },
            pids={"stack": os.getpid()},
        )

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            for key, stored in self.input.list("").items():
                upload = key, stored.etag, stored.stored_at
                if upload not in self._answered:
                    self._answered.add(upload)
                    self.play(key)


@pytest.fixture
def played(account: Account, tmp_path: Path) -> Iterator[PlayedStack]:
    """A stack whose functions are played."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    stack = PlayedStack(account, state)
    yield stack
    stack.close()
