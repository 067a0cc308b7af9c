"""A picture over HTTP, warm: what the way to the networks and back takes beside them."""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.http.keys import issue
from cloud.http.keys_table import KeysTable
from infra.demo.rehearsal import FILES, KNOWN, PORTRAITS, Rehearsal
from sightline.errors import TransportError

NETWORKS = ("decode", "detect", "embed", "match")  # the recognition; the rest is the way
OVERHEAD_MS = 30.0
COLUMNS = ("over HTTP, warm, p50", "ms", "to reach")

_WARM_UP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds at the median.

    Attributes:
        whole_ms: From the request's first byte to the answer's last.
        beside_networks_ms: The same less decoding, finding, embedding and matching.
        beside_stages_ms: Less all that the recognition does, its own requests among it.
        health_ms: A request that asks nothing of anybody.
    """

    whole_ms: float
    beside_networks_ms: float
    beside_stages_ms: float
    health_ms: float

    @property
    def reached(self) -> bool:
        """Whether it is what is to be reached."""
        return self.beside_networks_ms <= OVERHEAD_MS


def measure(rehearsal: Rehearsal, *, say: Callable[[str], None], requests: int = 60) -> Overhead:
    """Post a portrait again and again, on one connection.

    Raises:
        TransportError: A picture was not answered.
    """
    facts = rehearsal.target.facts
    if facts is None:
        raise TransportError("the stack of this machine does not run")
    key, text = issue("bench", ["recognise"], now=datetime.now(UTC))
    target = rehearsal.target
    KeysTable(target.client("dynamodb"), target.output("KeysTable")).add(key)
    picture = (PORTRAITS / FILES[KNOWN]).read_bytes()
    headers = {"Authorization": f"Bearer {text}", "Content-Type": "image/jpeg"}
    connection = http.client.HTTPConnection(facts.http_url.removeprefix("http://"), timeout=60)
    say(f"{_WARM_UP} pictures to warm up, {requests} to measure …")
    wholes, networks, stages = [], [], []
    for number in range(_WARM_UP + requests):
        whole_ms, body = _timed(connection, "POST", "/v1/frames", picture, headers)
        if number >= _WARM_UP:
            timings = json.loads(body)["timings_ms"]
            wholes.append(whole_ms)
            networks.append(whole_ms - sum(timings[stage] for stage in NETWORKS))
            stages.append(whole_ms - sum(timings.values()))
    healths = [_timed(connection, "GET", "/v1/health")[0] for _ in range(requests)]
    connection.close()
    return Overhead(
        whole_ms=statistics.median(wholes),
        beside_networks_ms=statistics.median(networks),
        beside_stages_ms=statistics.median(stages),
        health_ms=statistics.median(healths),
    )


def as_rows(found: Overhead) -> Sequence[tuple[str, str, str]]:
    """Lay the figures out under `COLUMNS`."""
    mark = f"≤ {OVERHEAD_MS:g} {'✓' if found.reached else '— missed'}"
    return [
        ("POST /v1/frames, a portrait", f"{found.whole_ms:.1f}", ""),
        ("beside the networks", f"{found.beside_networks_ms:.1f}", mark),
        ("beside all of the recognition's stages", f"{found.beside_stages_ms:.1f}", ""),
        ("GET /v1/health", f"{found.health_ms:.1f}", ""),
    ]


def _timed(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[float, bytes]:
    begun_s = time.perf_counter()
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    said = answer.read()
    took_ms = (time.perf_counter() - begun_s) * 1000
    if answer.status != 200:
        raise TransportError(f"{method} {path}: {answer.status}: {said[:300].decode()}")
    return took_ms, said
