"""Who is to be enrolled, read out of JSON or a form, with photos or the keys of some."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from cloud.fetching import FrameStore
from cloud.http import bodies
from cloud.http.file_names import tidy_file_name
from cloud.http.problems import Problem, as_bad_request
from sightline.errors import ImageError, MissingError
from sightline.keys import FRAMES, MAX_KEY_BYTES
from sightline.wire import Json

# numpy comes with `cloud.enrolment`, and who asks for the API's health should not wait for it.
if TYPE_CHECKING:
    from cloud.enrolment import Photo

CONTENT_TYPES = (bodies.MULTIPART, bodies.JSON)
PHOTOS = "photos"  # beside frames/ in the media bucket: where anybody may put some to enrol
MAX_PHOTOS = 40
MAX_CONSENT = 1000

_FOLDERS = (FRAMES, PHOTOS)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """What a request says of somebody."""

    name: str
    record: Mapping[str, Json] | None
    consent: str | None
    force: bool  # enrol them although they look like somebody else
    keys: Sequence[str] = ()
    files: Sequence[bodies.FormFile] = field(default=(), repr=False)

    def photos(self, store: Callable[[], FrameStore]) -> "Sequence[Photo] | Iterator[Photo]":
        """Give the photos, those in the bucket one after the other as they are asked for."""
        return self._each(store) if self.keys or self.files else ()

    def _each(self, store: Callable[[], FrameStore]) -> "Iterator[Photo]":
        from cloud.enrolment import Photo

        for number, file in enumerate(self.files, start=1):
            name = tidy_file_name(file.name) if file.name else f"photo {number}"
            yield Photo(name=name, data=file.data)
        for key in self.keys:
            yield Photo(name=key, data=_fetch(store(), key))


async def read_new_person(request: Request) -> NewPerson:
    """Read who is to be enrolled.

    Raises:
        Problem: 400, 413 or 415.
    """
    kind = bodies.media_type(request, CONTENT_TYPES)
    if kind == bodies.JSON:
        new = _of_json(await bodies.read_json(request))
    else:
        new = _of_form(await bodies.read_form(request))
    if len(new.keys) + len(new.files) > MAX_PHOTOS:
        raise Problem(400, "bad-field", f"at most {MAX_PHOTOS} photos are taken at once")
    check_said(name=new.name, record=new.record, consent=new.consent)
    return new


def check_said(*, name: str | None, record: Mapping[str, Json] | None, consent: str | None) -> None:
    """See that what is given of a person can be kept of one.

    Raises:
        Problem: 400.
    """
    from cloud.names import tidy
    from cloud.register import check_name, check_record

    with as_bad_request("bad-field"):
        if name is not None:
            check_name(tidy(name))
        if record is not None:
            check_record(record)
    if consent is not None and not (len(consent) <= MAX_CONSENT and consent.isprintable()):
        raise Problem(400, "bad-field", f"consent: give at most {MAX_CONSENT} printable characters")


def _of_json(body: Mapping[str, Json]) -> NewPerson:
    if "photos" in body:  # to ignore it, as any unknown member, would enrol somebody without a face
        raise Problem(
            400, "bad-field", "photos: send them in a form, or give the keys of stored ones in keys"
        )
    keys = bodies.value_of(tuple[str, ...], body, "keys") or ()
    return NewPerson(
        name=_named(bodies.text_of(body, "name")),
        record=bodies.value_of(dict[str, Json], body, "record"),
        consent=bodies.text_of(body, "consent"),
        force=bodies.value_of(bool, body, "force") or False,
        keys=[_check_key(key) for key in keys],
    )


def _of_form(form: bodies.Form) -> NewPerson:
    form.must_have_files_in("photos")
    if "keys" in form.fields:
        raise Problem(
            400, "bad-field", "keys: a form has photos; give the keys of stored ones in JSON"
        )
    force = form.fields.get("force", "false")
    if force not in ("true", "false"):
        raise Problem(400, "bad-field", "force: give true or false")
    return NewPerson(
        name=_named(form.fields.get("name")),
        record=_record(form.fields.get("record")),
        consent=form.fields.get("consent"),
        force=force == "true",
        files=form.files.get("photos", ()),
    )


def _named(name: str | None) -> str:
    if name is None:
        raise Problem(400, "bad-field", "name is missing: who is to be enrolled?")
    return name


def _record(text: str | None) -> Mapping[str, Json] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        deep = isinstance(err, RecursionError)
        text = "it is nested too deeply" if deep else f"it is not JSON: {err}"
        raise Problem(400, "bad-field", f"record: {text}") from err
    return bodies.value_of(dict[str, Json], {"record": value}, "record")


def _check_key(key: str) -> str:
    """Return *key*, if it is a plain one of a frame or a photo in the media bucket."""
    levels = key.split("/")
    if (
        levels[0] not in _FOLDERS
        or len(levels) < 2
        or {"", ".", ".."} & set(levels)
        or not key.isprintable()
        or "\\" in key
        or len(key.encode()) > MAX_KEY_BYTES
    ):
        folders = " or ".join(f"{folder}/" for folder in _FOLDERS)
        raise Problem(400, "bad-field", f"keys: {key[:60]!a} is no key below {folders}")
    return key


def _fetch(store: FrameStore, key: str) -> bytes:
    try:
        return store.get(key)
    except MissingError as err:
        raise Problem(422, "no-such-photo", f"there is no object {key!r} in the bucket") from err
    except ImageError as err:
        raise Problem(422, "no-such-photo", f"{key!r}: {err}") from err
