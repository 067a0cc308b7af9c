"""Every status that the document tells of really happens, and no other one was seen to."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cloud.http.openapi import document
from cloud.memory import MemoryRegister
from cloud.register import Change, ConflictError
from sightline.errors import ConfigError, ModelError, SightlineError, TransportError
from tests.cloud.fakes import GREEN, GREY, RED, picture
from tests.cloud.http.world import Client, World, form

PNG = {"content-type": "image/png"}
LARGE = b"x" * 6_500_000


def failing(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


class Contested(MemoryRegister):
    """Somebody else always is faster."""

    contested = False

    def write(self, change: Change) -> None:
        if self.contested:
            raise ConflictError("ada-lovelace was changed by somebody else; try again")
        super().write(change)


# Of each operation: a request that is served, and those that get the statuses of its own.
Asked = tuple[str, dict[str, Any]]
GOOD: Mapping[str, tuple[int, Asked]] = {
    "POST /v1/frames": (200, ("/v1/frames", {"headers": PNG, "body": picture(RED)})),
    "POST /v1/videos": (201, ("/v1/videos", {"json": {"fileName": "a.mp4"}})),
    "GET /v1/videos/{name}": (200, ("/v1/videos/done", {})),
    "GET /v1/people": (200, ("/v1/people", {})),
    "POST /v1/people": (201, ("/v1/people", {"json": {"name": "Grace Hopper"}})),
    "GET /v1/people/{id}": (200, ("/v1/people/ada-lovelace", {})),
    "PATCH /v1/people/{id}": (200, ("/v1/people/ada-lovelace", {"json": {"name": "Ada"}})),
    "DELETE /v1/people/{id}": (204, ("/v1/people/ada-lovelace", {})),
    "GET /v1/sightings": (200, ("/v1/sightings?device=door", {})),
    "GET /v1/devices": (200, ("/v1/devices", {})),
    "GET /v1/health": (200, ("/v1/health", {})),
    "GET /v1/openapi.json": (200, ("/v1/openapi.json", {})),
}
_HEADERS, _BODY = form({"name": "X"}, [("photos", "x", picture(GREY))])
_REFUSED = {"headers": _HEADERS, "body": _BODY}
OWN: Mapping[str, Mapping[int, Asked]] = {
    "POST /v1/frames": {
        400: ("/v1/frames", {"json": {"imgStr": "?"}}),
        413: ("/v1/frames", {"headers": PNG, "body": LARGE}),
        415: ("/v1/frames", {"headers": {"content-type": "text/plain"}, "body": b"x"}),
        422: ("/v1/frames", {"headers": PNG, "body": b"x"}),
    },
    "POST /v1/videos": {
        400: ("/v1/videos", {"json": {"fileName": "../x"}}),
        413: ("/v1/videos", {"headers": {"content-type": "application/json"}, "body": LARGE}),
        415: ("/v1/videos", {"headers": {"content-type": "video/mp4"}, "body": b"x"}),
    },
    "GET /v1/videos/{name}": {404: ("/v1/videos/none", {})},
    "GET /v1/people": {400: ("/v1/people?limit=x", {})},
    "POST /v1/people": {
        400: ("/v1/people", {"json": {}}),
        413: ("/v1/people", {"headers": {"content-type": "application/json"}, "body": LARGE}),
        415: ("/v1/people", {"headers": PNG, "body": b"x"}),
        422: ("/v1/people", _REFUSED),
    },
    "GET /v1/people/{id}": {404: ("/v1/people/nobody", {})},
    "PATCH /v1/people/{id}": {
        400: ("/v1/people/ada-lovelace", {"json": {}}),
        404: ("/v1/people/nobody", {"json": {"name": "X"}}),
        413: (
            "/v1/people/ada-lovelace",
            {"headers": {"content-type": "application/json"}, "body": LARGE},
        ),
        415: ("/v1/people/ada-lovelace", {"headers": PNG, "body": b"x"}),
    },
    "DELETE /v1/people/{id}": {404: ("/v1/people/nobody", {})},
    "GET /v1/sightings": {400: ("/v1/sightings", {})},
    "GET /v1/devices": {400: ("/v1/devices?limit=x", {})},
    "GET /v1/health": {},
    "GET /v1/openapi.json": {},
}
OPEN = ("GET /v1/health", "GET /v1/openapi.json")
SERVICES = (
    "media",
    "recognition",
    "videos",
    "ledger",
    "people",
    "register",
    "sightings",
    "statuses",
)


def documented() -> dict[str, set[int]]:
    return {
        f"{method.upper()} {path}": {int(status) for status in operation["responses"]}
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def ask(client: Client, operation: str, asked: Asked, **more: Any) -> int:
    target, given = asked
    answer = client.ask(operation.split()[0], target, **given, **more)
    if answer.status >= 400:
        assert answer.problem
        assert answer.json["detail"]
    return answer.status


def seen_of(operation: str) -> set[int]:
    """Ask in every way, and say what came."""
    world = World()
    client, good = Client(world.application(per_minute=1)), GOOD[operation][1]
    seen = {ask(client, operation, asked) for asked in OWN[operation].values()}
    assert seen == set(OWN[operation])
    if operation not in OPEN:
        seen.add(ask(client, operation, good, anonymous=True))
        seen |= {ask(client, operation, good, key=world.key(scope)) for scope in ("read", "enrol")}
        key = world.key(needs(operation))
        seen |= {ask(client, operation, good, key=key) for _ in range(2)}
        for error in (TransportError("slow"), ConfigError("a secret of ours"), ModelError("x")):
            down: dict[str, Any] = dict.fromkeys(SERVICES, failing(error))
            broken = Client(world.application(**down))
            seen.add(ask(broken, operation, good))
    if 409 in documented()[operation]:
        register = Contested()
        client = Client(World(register=register).application())
        register.contested = True
        seen.add(ask(client, operation, good))
    seen.add(ask(Client(World().application()), operation, good))
    return seen


def needs(operation: str) -> Any:
    method, path = operation.split()
    described = document()["paths"][path][method.lower()]["description"]
    return described.split("`")[1]


def test_the_table_here_is_of_all_operations() -> None:
    assert set(GOOD) == set(OWN) == set(documented())


@pytest.mark.parametrize("operation", sorted(GOOD))
def test_each_documented_status_happens_and_no_other(operation: str) -> None:
    assert seen_of(operation) == documented()[operation]


@pytest.mark.parametrize("operation", sorted(GOOD))
def test_what_is_good_is_served(operation: str) -> None:
    status, asked = GOOD[operation]
    assert ask(Client(World().application()), operation, asked) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TransportError("get from bucket-of-ours: slow"), 503),
        (ConfigError("table-of-ours does not exist"), 500),
        (ModelError("no network at /opt/ours"), 500),
        (SightlineError("ours"), 500),
        (ZeroDivisionError("ours"), 500),
    ],
)
def test_what_is_wrong_on_our_side_is_logged_and_not_told(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(World().application(recognition=failing(error)))

    answer = client.ask("POST", "/v1/frames", headers=PNG, body=picture(GREEN))

    assert answer.status == status
    assert "ours" not in answer.body.decode()
    assert "ours" in caplog.text
    assert ("retry-after" in answer.headers) == (status == 503)
