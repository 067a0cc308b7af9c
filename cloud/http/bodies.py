"""Bodies of requests: how large, of what kind, and what is in them.

Lambda takes 6 MB of JSON as a synchronous event, and API Gateway wraps a body in such: text as it
is, anything else in base64, which makes four bytes of three. What is larger never comes here on
AWS: API Gateway answers 413 by itself.
"""

import json
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from cloud.http.problems import Problem, as_bad_request
from sightline.wire import Json, load

T = TypeVar("T")

MAX_BINARY_BYTES = 4_500_000
MAX_TEXT_BYTES = 6_000_000

JSON = "application/json"
MULTIPART = "multipart/form-data"

_MAX_FILES = 40
_MAX_FIELDS = 20
_MAX_FIELD_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """One file of a form."""

    name: str  # as the client's own machine calls it; may be anything
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form's fields and files, by their names; of two fields of one name the last counts."""

    fields: Mapping[str, str]
    files: Mapping[str, Sequence[FormFile]]

    def must_have_files_in(self, *names: str) -> None:
        """See that the form's *names* hold files, and no other names do.

        Raises:
            Problem: 400.
        """
        for name in (*(set(names) & self.fields.keys()), *(self.files.keys() - set(names))):
            what = "text, and no file" if name in names else "a file, and no text"
            raise Problem(400, "bad-field", f"the form's field {name[:60]!r} holds {what}")


def media_type(request: Request, allowed: Sequence[str]) -> str:
    """Return what the body is said to be.

    Raises:
        Problem: 415, if that is none of *allowed*.
    """
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if kind not in allowed:
        what = f"the content type is {said[:100]!r}" if said else "there is no content type"
        # RFC 9110, 15.5.16: Accept in a 415 says what would have been taken.
        raise Problem(
            415,
            "unsupported-media-type",
            f"{what}; send {' or '.join(allowed)}",
            headers={"accept": ", ".join(allowed)},
        )
    return kind


async def read_bytes(request: Request, most: int = MAX_BINARY_BYTES) -> bytes:
    """Read the whole body.

    Raises:
        Problem: 413, if it has more bytes than *most*.
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:12]) > most:
        _refuse_size(said, most)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            _refuse_size(f"over {most}", most)
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request) -> dict[str, Json]:
    """Read a JSON object.

    Raises:
        Problem: 400 or 413.
    """
    body = await read_bytes(request, MAX_TEXT_BYTES)
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as err:
        text = "it is nested too deeply" if isinstance(err, RecursionError) else str(err)
        raise Problem(400, "not-json", f"the body is not JSON: {text}") from err
    if not isinstance(value, dict):
        raise Problem(400, "not-json", "the body is JSON, but no object: {…}")
    return value


async def read_form(request: Request) -> Form:
    """Read `multipart/form-data`.

    Raises:
        Problem: 400 or 413.
    """
    body = await read_bytes(request)
    try:
        form = await _InMemory(request.headers, body).parse()
    except (MultiPartException, ValueError) as err:  # the latter of some charsets, such as punycode
        raise Problem(400, "not-a-form", f"the form cannot be read: {err}") from err
    fields: dict[str, str] = {}
    files: dict[str, list[FormFile]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            data = value.file.read()
            value.file.close()
            files.setdefault(name, []).append(FormFile(name=value.filename or "", data=data))
        else:
            fields[name] = value
    return Form(fields=fields, files=files)


def text_of(body: Mapping[str, Json], name: str) -> str | None:
    """Return a text of a JSON body; None, if it is left out.

    Raises:
        Problem: 400, if it is something else, or no Unicode.
    """
    return value_of(str, body, name)


def value_of(kind: type[T], body: Mapping[str, Json], name: str) -> T | None:
    """Return a *kind* of a JSON body, read as `sightline.wire.load` does; None, if it is left out.

    Raises:
        Problem: 400, if it is something else.
    """
    if name not in body:
        return None
    with as_bad_request("bad-field"):
        return load(kind, body[name], name)


def image_of(text: str, name: str) -> bytes:
    """Read base64, as it is, folded into lines or as a data URL.

    Raises:
        Problem: 400.
    """
    plain = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = b64decode("".join(plain.split()), validate=True)
    except ValueError as err:  # UnicodeError and binascii.Error are ones
        raise Problem(400, "not-base64", f"{name} is not base64: {err}") from err
    return not_empty(data, name)


def not_empty(data: bytes, what: str) -> bytes:
    """Return *data*.

    Raises:
        Problem: 400, if there is none.
    """
    if not data:
        raise Problem(400, "no-image", f"{what} holds no image: it has 0 bytes")
    return data


class _InMemory(MultiPartParser):
    """Keeps files in memory: they are no larger than a body, and a worker serves one at a time.

    It takes whole forms only. The base gives whatever parts were complete, so that of a form that
    was cut off in its last photo, the name alone would be left.
    """

    spool_max_size = MAX_BINARY_BYTES + 1
    _is_whole = False

    def __init__(self, headers: Headers, body: bytes) -> None:
        super().__init__(
            headers,
            self._once(body),
            max_files=_MAX_FILES,
            max_fields=_MAX_FIELDS,
            max_part_size=_MAX_FIELD_BYTES,
        )

    def on_end(self) -> None:
        """Note the last boundary."""
        self._is_whole = True

    async def _once(self, body: bytes) -> AsyncGenerator[bytes, None]:
        yield body
        if not self._is_whole:  # raised from here, it makes the base close the files it has opened
            raise MultiPartException("it is cut off: its last boundary is missing")


def _refuse_size(size: str, most: int) -> NoReturn:
    raise Problem(
        413,
        "too-large",
        f"the body has {size} bytes; at most {most} are taken. Send a smaller JPEG, as image/jpeg"
        " and not in JSON; a video goes to the URL that POST /v1/videos gives",
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
