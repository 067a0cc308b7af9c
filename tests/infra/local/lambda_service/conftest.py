"""A Lambda service with tiny functions, and what to wait with."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local.lambda_service import Function, LambdaService

DEADLINE_S = 15.0


def eventually(holds: Callable[[], bool], what: str, *, deadline_s: float = DEADLINE_S) -> None:
    """Fail unless *holds* becomes true before the deadline."""
    end_s = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        time.sleep(0.005)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Destination:
    """An on-failure destination that keeps what it gets, after so many refusals."""

    refusals: int = 0
    records: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, arn: str, record: dict[str, Any]) -> None:
        with self.arrived:
            if self.refusals > 0:
                self.refusals -= 1
                raise ConnectionError("the queue is out of reach")
            self.records.append((arn, record))
            self.arrived.notify_all()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.records) >= count, DEADLINE_S)
            return [record for _, record in self.records]


@dataclass
class Caller:
    """Speaks HTTP to a service."""

    service: LambdaService

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", f"/{self.service.addresses.secret}{path}", body, **headers)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request as it is, without the secret."""
        address = self.service.addresses.host_and_port
        connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def invoke(self, event: Any, *, name: str = "fn", **headers: str) -> Answer:
        path = f"/2015-03-31/functions/{name}/invocations"
        return self.post(path, json.dumps(event).encode(), **headers)

    def send(self, event: Any, *, name: str = "fn") -> Answer:
        return self.invoke(event, name=name, X_Amz_Invocation_Type="Event")

    def forward(self, event: Any, *, name: str = "fn") -> Answer:
        return self.post(f"/async/{name}", json.dumps(event).encode())


class Lab:
    """Makes functions out of source text and services out of functions."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.destination = Destination()
        self.notes = folder / "notes"
        self._stack = stack

    def function(self, source: str, *, name: str = "fn", **changes: Any) -> Function:
        code = self.folder / f"code-{name}"
        code.mkdir()
        (code / "app.py").write_text(source, encoding="utf-8")
        settings: dict[str, Any] = {
            "name": name,
            "handler": "app.handler",
            "folder": code,
            "python": Path(sys.executable),
            "environment": {"NOTES": str(self.notes)},
            "timeout_s": 10.0,
            "retry_delays_s": (0.05,),
            "on_failure_arn": "arn:aws:sqs:us-east-1:000000000000:dead",
            **changes,
        }
        return Function(**settings)

    def service(self, *functions: Function, **changes: Any) -> Caller:
        service = LambdaService(
            functions,
            log_folder=self.folder / "logs",
            on_failure=self.destination,
            **{"grace_s": 5, **changes},
        )
        return Caller(self._stack.enter_context(service))

    def lines(self) -> list[str]:
        """What the functions noted, in order."""
        return self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(tmp_path, stack)
