"""What went wrong, as RFC 9457 has it: `application/problem+json`.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from starlette.responses import Response

from sightline.errors import ConfigError, MessageError, ModelError, SightlineError, TransportError
from sightline.wire import Json

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:sightline:problem:"

RETRY_S = 1  # after a service did not answer


class Problem(Exception):  # noqa: N818 - it is RFC 9457's word
    """A request cannot be served; the caller is told why.

    Attributes:
        status: The HTTP status.
        kind: What is wrong, in a word for a program: the end of the `type`.
        detail: What is wrong, and how to mend it, for a person.
        headers: Sent beside it.
        more: Further members, such as `reason`.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self) -> Response:
        """Write it as a response."""
        body = {
            "type": TYPE_PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        # It may tell back half a character that a caller sent: escaped, that does no harm.
        text = json.dumps(body)
        return Response(text, self.status, self.headers, media_type=MEDIA_TYPE)


def of_error(err: SightlineError) -> Problem:
    """Say to a caller what one of our errors means; a wrong set-up is the operator's to read."""
    if isinstance(err, TransportError):
        wait = {"retry-after": str(RETRY_S)}
        return Problem(503, "unavailable", "a service did not answer; try again", headers=wait)
    if isinstance(err, (ConfigError, ModelError)):
        return Problem(500, "internal", "the API is set up wrongly; its log says how to mend it")
    return internal()


def internal() -> Problem:
    """Say no more than that it is our fault."""
    return Problem(500, "internal", "the API has failed; its log says more")


@contextmanager
def as_bad_request(kind: str = "bad-request") -> Iterator[None]:
    """Answer 400 with what a check inside says of the caller's own words."""
    try:
        yield
    except (MessageError, ConfigError) as err:
        raise Problem(400, kind, str(err)) from err
