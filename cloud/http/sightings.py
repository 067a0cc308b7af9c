"""`/v1/sightings`: the answers that were given, by device, by person, or by both."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from cloud.http import bodies, queries
from cloud.http.authentication import Caller
from cloud.http.problems import Problem, as_bad_request
from sightline.errors import MessageError
from sightline.messages import encode
from sightline.topics import check_device

if TYPE_CHECKING:
    from cloud.sightings import Listing, Page, SightingsReader

MOST = 100

# Lambda answers with up to 6 MB; a frame's answer has 1 KB as a rule, but may have 128.
_MAX_ANSWER_BYTES = 5_000_000


class SightingsResource:
    """Serves `/v1/sightings`."""

    def __init__(self, *, sightings: "Callable[[], SightingsReader]") -> None:
        self._sightings = sightings

    async def get(self, request: Request, _caller: Caller) -> Response:
        """List what a device saw, where a person was seen, or both; the newest first."""
        asked = queries.read(request, ("person", "device", "since", "until", "cursor", "limit"))
        listing, limit = _listing(asked), queries.limit(asked, MOST)
        while True:
            page = self._page(listing, limit=limit, cursor=asked.get("cursor") or None)
            body = _write(page)
            if len(body) <= _MAX_ANSWER_BYTES or limit == 1:
                return Response(body, media_type=bodies.JSON)
            limit //= 2

    def _page(self, listing: "Listing", *, limit: int, cursor: str | None) -> "Page":
        reader = self._sightings()
        try:
            return reader.page(listing, limit=limit, cursor=cursor)
        except MessageError as err:
            raise Problem(400, "bad-query", str(err)) from err


def _listing(asked: dict[str, str]) -> "Listing":
    from cloud.register import check_person_id  # numpy comes with it
    from cloud.sightings import Listing

    since, until = queries.time(asked, "since"), queries.time(asked, "until")
    with as_bad_request("bad-query"):
        device = check_device(asked["device"]) if "device" in asked else None
        person = check_person_id(asked["person"]) if "person" in asked else None
        return Listing(device=device, person=person, since=since, until=until)


def _write(page: "Page") -> bytes:
    results = b",".join(map(encode, page.results))
    return b'{"sightings":[%b],"cursor":%b}' % (results, json.dumps(page.cursor).encode())
