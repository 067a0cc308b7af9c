"""`/v1/openapi.json`: the API described for programs; tests hold the one against the other.

It is written by hand: what would write it, pydantic, is larger than all the rest of the API and
takes longer to start; see docs/http.md.
"""

import functools
import json
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from cloud.http import devices, frames, people, problems, sightings
from cloud.http.authentication import Caller
from cloud.http.bodies import JSON, MULTIPART
from cloud.http.schemas import DEVICE, IMAGE, PERSON_ID, SCHEMAS, TIME, ref
from sightline import __version__
from sightline.wire import Json

_DESCRIPTION = """\
Who is in a picture or a video, who is enrolled, and what was seen.

A key is made by `./run keys add NAME --scope read`, and sent as `Authorization: Bearer sl_…`. Where
the API is deployed with IAM, requests are signed instead. Whatever goes wrong is said as
`application/problem+json`. A body may have 4.5 MB, JSON 6 MB.
"""

_ASKED = (401, 403, 429, 500, 503)  # of every operation that needs a key
_SENT = (400, 413, 415)  # of every one that has a body, besides

_HEADERS: dict[str, tuple[str, Json]] = {
    "401": ("WWW-Authenticate", {"type": "string"}),
    "429": ("Retry-After", {"type": "integer", "minimum": 1}),
    "503": ("Retry-After", {"type": "integer", "minimum": 1}),
}


async def get(_request: Request, _caller: Caller) -> Response:
    """Serve the document."""
    return Response(_written(), media_type=JSON)


@functools.cache
def _written() -> bytes:
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()


def document() -> Json:
    """Describe the API, as OpenAPI 3.1 has it."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "sightline", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/frames": {"post": _post_frame()},
            "/v1/videos": {"post": _post_video()},
            "/v1/videos/{name}": {"get": _get_video()},
            "/v1/people": {"get": _list_people(), "post": _post_person()},
            "/v1/people/{id}": {
                "parameters": [_in_path("id", {"type": "string"})],
                "get": _get_person(),
                "patch": _patch_person(),
                "delete": _delete_person(),
            },
            "/v1/sightings": {"get": _get_sightings()},
            "/v1/devices": {"get": _get_devices()},
            "/v1/health": {"get": _open("Whether the API answers", {"200": _json("Health")})},
            "/v1/openapi.json": {
                "get": _open("This document", {"200": _given({"type": "object"})})
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "responses": {str(status): _problem(status) for status in _statuses()},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "sl_<id>_<secret>"},
                "keyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _post_frame() -> Json:
    answer = _json("FrameRecognized")
    answer["headers"] = {
        "Sightline-Key": {
            "schema": {"type": "string"},
            "description": "Where the frame is stored; POST /v1/people takes it for a photo.",
        }
    }
    content = {kind: {"schema": IMAGE} for kind in frames.IMAGES}
    content[MULTIPART] = {"schema": ref("FrameInForm")}
    content[JSON] = {"schema": ref("FrameInJson")}
    return _operation(
        "recognise",
        "Recognise who is in a picture",
        {"200": answer},
        problems=(*_SENT, 422),
        content=content,
    )


def _post_video() -> Json:
    return _operation(
        "recognise",
        "Ask where to upload a video",
        {"201": _created("VideoUpload")},
        problems=_SENT,
        content={JSON: {"schema": ref("NewVideo")}},
    )


def _get_video() -> Json:
    name = _in_path("name", {"type": "string", "minLength": 1})
    name["description"] = "As POST /v1/videos said; its slashes may stand there as they are."
    return _operation(
        "read",
        "See how far a video is",
        {"200": _json("Video")},
        problems=(404,),
        parameters=[name],
    )


def _list_people() -> Json:
    return _operation(
        "read",
        "List who is enrolled, by id",
        {"200": _json("People")},
        problems=(400,),
        parameters=_paging(people.MOST),
    )


def _post_person() -> Json:
    return _operation(
        "enrol",
        "Enrol somebody, with photos or without",
        {"201": _created("Enrolled")},
        problems=(*_SENT, 422),
        content={
            JSON: {"schema": ref("NewPerson")},
            MULTIPART: {"schema": ref("NewPersonInForm")},
        },
    )


def _get_person() -> Json:
    answers = {"200": _json("PersonWithFaces")}
    return _operation("read", "Show one person", answers, problems=(404,))


def _patch_person() -> Json:
    return _operation(
        "enrol",
        "Change a person's name, record or consent",
        {"200": _json("Person")},
        problems=(*_SENT, 404, 409),
        content={JSON: {"schema": ref("PersonChange")}},
    )


def _delete_person() -> Json:
    answers = {"204": {"description": "They are forgotten."}}
    summary = "Forget a person, and all of their faces"
    return _operation("enrol", summary, answers, problems=(404, 409))


def _get_sightings() -> Json:
    asked = [
        _in_query("person", {"type": "string", "pattern": PERSON_ID}),
        _in_query("device", {"type": "string", "pattern": DEVICE}),
        _in_query("since", TIME),
        _in_query("until", TIME),
    ]
    found = _operation(
        "read",
        "List what a device saw, where a person was seen, or that person at that device",
        {"200": _json("Sightings")},
        problems=(400,),
        parameters=[*asked, *_paging(sightings.MOST)],
    )
    found["description"] += (
        " Give `device`, `person`, or both. With both, a page may have fewer than `limit`, or none:"
        " others follow until its `cursor` is null."
    )
    return found


def _get_devices() -> Json:
    return _operation(
        "read",
        "List the cameras, with what each said last",
        {"200": _json("Devices")},
        problems=(400,),
        parameters=_paging(devices.MOST),
    )


def _operation(
    scope: str,
    summary: str,
    answers: Json,
    *,
    problems: tuple[int, ...] = (),
    parameters: Json = (),
    content: Json = None,
) -> dict[str, Json]:
    """Describe an operation that needs a key."""
    failures = {str(s): {"$ref": f"#/components/responses/{s}"} for s in {*_ASKED, *problems}}
    found: dict[str, Json] = {
        "summary": summary,
        "description": f"Needs the scope `{scope}`.",
        "security": [{"key": []}, {"keyHeader": []}],
        "responses": {**answers, **dict(sorted(failures.items()))},
    }
    if parameters:
        found["parameters"] = list(parameters)
    if content:
        found["requestBody"] = {"required": True, "content": content}
    return found


def _open(summary: str, answers: Json) -> Json:
    return {"summary": summary, "security": [], "responses": answers}


def _json(schema: str) -> dict[str, Json]:
    return _given(ref(schema))


def _given(schema: Json) -> dict[str, Json]:
    return {"description": "Done.", "content": {JSON: {"schema": schema}}}


def _created(schema: str) -> Json:
    location = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
    return {**_json(schema), "headers": location}


def _statuses() -> list[int]:
    return sorted({*_ASKED, *_SENT, 404, 409, 422})


def _problem(status: int) -> Json:
    found: Json = {
        "description": HTTPStatus(status).phrase,
        "content": {problems.MEDIA_TYPE: {"schema": ref("Problem")}},
    }
    if str(status) in _HEADERS:
        name, schema = _HEADERS[str(status)]
        found["headers"] = {name: {"schema": schema, "required": True}}
    return found


def _paging(most: int) -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": most}
    return [_in_query("limit", limit), _in_query("cursor", {"type": "string", "format": "cursor"})]


def _in_query(name: str, schema: Json) -> dict[str, Json]:
    return {"name": name, "in": "query", "schema": schema}


def _in_path(name: str, schema: Json) -> dict[str, Json]:
    return {"name": name, "in": "path", "required": True, "schema": schema}
