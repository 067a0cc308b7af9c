"""What stands behind the `?` of a URL."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from starlette.requests import Request

from cloud.http.problems import Problem, as_bad_request
from sightline.wire import read_time

# In a query + means a space, so that a time's offset loses its sign unless it is sent as %2B.
_LOST_PLUS = re.compile(r" (?=\d\d:\d\d\Z)")


def read(request: Request, known: Sequence[str]) -> dict[str, str]:
    """Return what is asked for; what is not *known* is left out, as newer callers may add some.

    Raises:
        Problem: 400, if something is given twice, or is no text in Unicode.
    """
    asked: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            continue
        if name in asked:
            raise Problem(400, "bad-query", f"{name} is given twice")
        if "\N{REPLACEMENT CHARACTER}" in value:
            raise Problem(400, "bad-query", f"{name} is no text in UTF-8")
        asked[name] = value
    return asked


def time(asked: Mapping[str, str], name: str) -> datetime | None:
    """Read a time.

    Raises:
        Problem: 400, if it is none, or has no offset.
    """
    if name not in asked:
        return None
    with as_bad_request("bad-query"):
        return read_time(_LOST_PLUS.sub("+", asked[name]), name)


def limit(asked: Mapping[str, str], most: int) -> int:
    """Read how many are wanted at once; *most*, if it does not say.

    Raises:
        Problem: 400, if it is no number from 1 to *most*.
    """
    text = asked.get("limit", str(most))
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text) or int(text) > most:
        raise Problem(400, "bad-query", f"limit: {text[:20]!r} is no whole number from 1 to {most}")
    return int(text)
