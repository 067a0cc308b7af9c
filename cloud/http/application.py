"""The API as an ASGI application: which path is whose, who may, and what is said if it fails."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from cloud.fetching import FrameStore
from cloud.http import health, openapi
from cloud.http.authentication import Authenticator, Caller, Credentials
from cloud.http.devices import Devices, Statuses
from cloud.http.frames import Frames, Media, Recognizing
from cloud.http.gateway import AUTHORIZER
from cloud.http.keys import KeyStore, Scope
from cloud.http.people import PeopleResource
from cloud.http.problems import Problem, internal, of_error
from cloud.http.sightings import SightingsResource
from cloud.http.videos import Videos, VideoStore
from sightline.errors import SightlineError, TransportError

if TYPE_CHECKING:
    from cloud.people import People
    from cloud.register import RegisterReader
    from cloud.sightings import SightingsReader
    from cloud.videos.ledger import VideoReader

log = logging.getLogger(__name__)

Serve = Callable[[Request, Caller], Awaitable[Response]]

# Every answer may be about people, so that none is kept on the way.
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything outside; each is opened by the first request that needs it."""

    keys: Callable[[], KeyStore]
    media: "Callable[[], Media]"
    photos: Callable[[], FrameStore]
    recognition: Callable[[], Recognizing]
    videos: Callable[[], VideoStore]
    ledger: "Callable[[], VideoReader]"
    people: "Callable[[], People]"
    register: "Callable[[], RegisterReader]"
    sightings: "Callable[[], SightingsReader]"
    statuses: Callable[[], Statuses]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    scope: Scope | None  # that the caller must have; None: anybody may
    serve: Serve = field(repr=False)


def application(
    services: Services, *, requests_per_minute: int, now: Callable[[], datetime]
) -> Router:
    """Join the API's parts into an ASGI application."""
    authenticator = Authenticator(services.keys, per_minute=requests_per_minute, now=now)
    routes = [
        Route(path, Resource(path, operations, authenticator))
        for path, operations in _operations(services, now).items()
    ]
    nowhere = Resource("(no such path)", {}, authenticator)
    return Router(routes, redirect_slashes=False, default=nowhere)


def _operations(
    services: Services, now: Callable[[], datetime]
) -> Mapping[str, Mapping[str, Operation]]:
    frames = Frames(media=services.media, recognition=services.recognition, now=now)
    videos = Videos(store=services.videos, ledger=services.ledger, now=now)
    people = PeopleResource(
        people=services.people, register=services.register, photos=services.photos
    )
    sightings = SightingsResource(sightings=services.sightings)
    devices = Devices(statuses=services.statuses)
    return {
        "/v1/frames": {"POST": Operation(scope="recognise", serve=frames.post)},
        "/v1/videos": {"POST": Operation(scope="recognise", serve=videos.post)},
        "/v1/videos/{name:path}": {"GET": Operation(scope="read", serve=videos.get)},
        "/v1/people": {
            "GET": Operation(scope="read", serve=people.list),
            "POST": Operation(scope="enrol", serve=people.post),
        },
        "/v1/people/{id}": {
            "GET": Operation(scope="read", serve=people.get),
            "PATCH": Operation(scope="enrol", serve=people.patch),
            "DELETE": Operation(scope="enrol", serve=people.delete),
        },
        "/v1/sightings": {"GET": Operation(scope="read", serve=sightings.get)},
        "/v1/devices": {"GET": Operation(scope="read", serve=devices.get)},
        "/v1/health": {"GET": Operation(scope=None, serve=health.get)},
        "/v1/openapi.json": {"GET": Operation(scope=None, serve=openapi.get)},
    }


class Resource:
    """One path, as an ASGI application; without operations, all paths that there are not."""

    def __init__(
        self, path: str, operations: Mapping[str, Operation], authenticator: Authenticator
    ) -> None:
        self._path = path
        self._operations = operations
        self._authenticator = authenticator

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one request, and write one line about it."""
        begun = time.perf_counter()
        request = Request(scope, receive)
        response, caller = await self._answer(request)
        response.headers.update(_HEADERS)
        # The path as it is written here, not as it was sent: that may name somebody.
        log.info(
            "%s %s %d, %.1f ms, key %s",
            request.method if request.method in _METHODS else "(other)",
            self._path,
            response.status_code,
            (time.perf_counter() - begun) * 1000,
            caller,
        )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> tuple[Response, str]:
        """Serve a request, whatever happens; return the id of who asked with the response."""
        caller = None
        try:
            operation = self._operation(request.method)
            if operation.scope is None:
                return await operation.serve(request, _ANYBODY), "none"
            caller = self._authenticator.identify(_credentials(request))
            caller.must_have(operation.scope)
            response = await operation.serve(request, caller)
        except Problem as problem:
            response = problem.response()
        except SightlineError as err:
            level = logging.WARNING if isinstance(err, TransportError) else logging.ERROR
            log.log(level, "%s %s failed: %s", request.method, self._path, err)
            response = of_error(err).response()
        except Exception:
            log.exception("%s %s failed", request.method, self._path)
            response = internal().response()
        return response, "none" if caller is None else caller.id

    def _operation(self, method: str) -> Operation:
        if not self._operations:
            raise Problem(404, "no-such-path", "there is no such path; see /v1/openapi.json")
        operation = self._operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = ", ".join(self._allowed())
            raise Problem(
                405, "method-not-allowed", f"only {allowed} here", headers={"allow": allowed}
            )
        return operation

    def _allowed(self) -> Sequence[str]:
        methods = sorted(self._operations)
        return [*methods, "HEAD"] if "GET" in methods else methods


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_ANYBODY = Caller(id="none", scopes=frozenset())


def _credentials(request: Request) -> Credentials:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else None
    return Credentials(
        key=key or request.headers.get("x-api-key") or None,
        by_iam=bool(request.scope.get(AUTHORIZER, {}).get("iam")),
        address=request.client.host if request.client else "",
    )
