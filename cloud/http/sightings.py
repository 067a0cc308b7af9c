"""`/v1/sightings`: the answers that were given, by device or by person."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from cloud.http import bodies, queries
from cloud.http.authentication import Caller
from cloud.http.problems import Problem, as_bad_request
from sightline.errors import MessageError
from sightline.messages import encode
from sightline.topics import check_device

if TYPE_CHECKING:
    from cloud.sightings import Page, SightingsReader

MOST = 100

# Lambda answers with up to 6 MB; a frame's answer has 1 KB as a rule, but may have 128.
_MAX_ANSWER_BYTES = 5_000_000


class SightingsResource:
    """Serves `/v1/sightings`."""

    def __init__(self, *, sightings: "Callable[[], SightingsReader]") -> None:
        self._sightings = sightings

    async def get(self, request: Request, _caller: Caller) -> Response:
        """List what one device saw, or where one person was seen; the newest first."""
        asked = queries.read(request, ("person", "device", "since", "until", "cursor", "limit"))
        if ("person" in asked) == ("device" in asked):
            raise Problem(400, "bad-query", "give person or device, and not both")
        since, until = queries.time(asked, "since"), queries.time(asked, "until")
        limit = queries.limit(asked, MOST)
        while True:
            page = self._page(asked, since=since, until=until, limit=limit)
            body = _write(page)
            if len(body) <= _MAX_ANSWER_BYTES or limit == 1:
                return Response(body, media_type=bodies.JSON)
            limit //= 2

    def _page(
        self, asked: dict[str, str], *, since: datetime | None, until: datetime | None, limit: int
    ) -> "Page":
        from cloud.register import check_person_id  # numpy comes with it

        reader, cursor = self._sightings(), asked.get("cursor") or None
        given: dict[str, Any] = {"since": since, "until": until, "limit": limit, "cursor": cursor}
        with as_bad_request("bad-query"):
            device = check_device(asked["device"]) if "device" in asked else None
            person = check_person_id(asked["person"]) if device is None else ""
        try:
            if device is None:
                return reader.of_person(person, **given)
            return reader.of_device(device, **given)
        except MessageError as err:
            raise Problem(400, "bad-query", f"cursor: {err}") from err


def _write(page: "Page") -> bytes:
    results = b",".join(map(encode, page.results))
    return b'{"sightings":[%b],"cursor":%b}' % (results, json.dumps(page.cursor).encode())
