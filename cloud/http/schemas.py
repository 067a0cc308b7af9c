"""The shapes of what the API takes and gives, in JSON Schema; OpenAPI's `components/schemas`."""

from typing import get_args

from cloud.http import file_names, new_person, problems
from cloud.videos.sampling import LONGEST_US, SHORTEST_US
from cloud.videos.video import State
from sightline.messages import Decision, RejectedReason
from sightline.wire import Json

TIME: Json = {"type": "string", "format": "date-time"}
PERSON_ID = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"
DEVICE = "^[A-Za-z0-9_-]{1,64}$"


def ref(name: str) -> Json:
    """Point to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Json, *, optional: tuple[str, ...] = (), **more: Json) -> Json:
    """Describe an object; newer versions may add properties to any."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_CURSOR: Json = {
    "type": ["string", "null"],
    "description": "Give it back as ?cursor= for what follows; null: that was all.",
}

_JOB: Json = {
    "type": "string",
    "format": "uri-reference",
    "description": "Ask there how far it is.",
}

FILE_NAME: Json = {
    "type": "string",
    "pattern": file_names.PUBLISHED_PATTERN,
    "description": "A file's own name, without folders; kept exactly. In UTF-8 it has at most"
    f" {file_names.MAX_FILE_NAME_BYTES} bytes.",
}
VIDEO_NAME: Json = {
    "type": "string",
    "pattern": file_names.PUBLISHED_VIDEO_PATTERN,
    "description": f"{FILE_NAME['description']} Nor is it . or .. without its ending.",
}
# `cloud.videos.sampling` reads it in capitals too; patterns of JSON Schema have no flag for that.
_FIRST, _ALL, _EVERY, _SCENES = (
    "".join(f"[{letter.upper()}{letter}]" for letter in word)
    for word in ("first", "all", "every", "scenes")
)
_DECIMAL = r"([0-9]{1,6}(\.[0-9]{1,6})?|\.[0-9]{1,6})"
SAMPLING: Json = {
    "type": "string",
    "format": "sampling",
    "pattern": rf"^\s*({_FIRST}|{_ALL}|{_SCENES}|(({_EVERY}|{_SCENES}):)?{_DECIMAL})\s*$",
    "description": "Which frames are looked at: `first`, `every:0.5` (seconds, or `0.5` alone;"
    f" {SHORTEST_US / 1e6:g} to {LONGEST_US / 1e6:g}), `all`, `scenes` or `scenes:0.3` (a change"
    " over 0 and up to 1); else as the stack is set.",
}
FILE: Json = {"type": "string", "format": "binary"}
IMAGE: Json = {**FILE, "minLength": 1}
NAME: Json = {
    "type": "string",
    "format": "printable-text",
    "minLength": 1,
    "maxLength": 200,
    "description": "As it is to be shown; runs of spaces become one.",
}
CONSENT: Json = {
    "type": "string",
    "format": "printable-text",
    "maxLength": new_person.MAX_CONSENT,
    "description": "Where it is written down that they agreed.",
}
RECORD: Json = {
    "type": "object",
    "description": "What is known of them: any JSON object of up to 4096 bytes and 16 levels.",
}

_FACE = _object(
    {
        "box": {
            "type": "array",
            "items": _COUNT,
            "minItems": 4,
            "maxItems": 4,
            "description": "x, y, width, height in pixels of the frame, from its top left.",
        },
        "detection": {"type": "number", "minimum": 0, "maximum": 1},
        "decision": {"enum": list(get_args(Decision))},
        "person": _or_null(
            _object({"id": _TEXT, "name": _TEXT, "record": {"type": ["object", "null"]}})
        ),
        "distance": {
            **_NUMBER_OR_NULL,
            "description": "The engine's own measure, smaller is nearer; never a percentage.",
        },
        "margin": _NUMBER_OR_NULL,
        "threshold": _NUMBER_OR_NULL,
    }
)

_PERSON: Json = {
    "id": {"type": "string", "pattern": PERSON_ID},
    "name": _TEXT,
    "record": {"type": "object"},
    "consent": _TEXT_OR_NULL,
    "created_at": TIME,
    "updated_at": TIME,
}

SCHEMAS: dict[str, Json] = {
    "Problem": _object(
        {
            "type": {"type": "string", "pattern": f"^{problems.TYPE_PREFIX}"},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _TEXT,
            "reason": {
                "enum": list(get_args(RejectedReason)),
                "description": "Of a frame that was rejected: the word that MQTT has for it.",
            },
            "photos": {"type": "array", "items": ref("PhotoOutcome")},
        },
        optional=("reason", "photos"),
        description="What went wrong, as RFC 9457 has it.",
    ),
    "FrameRecognized": _object(
        {
            "frame_id": _TEXT,
            "device": {"type": "string", "pattern": DEVICE},
            "captured_at": TIME,
            "recognized_at": TIME,
            "width": _COUNT,
            "height": _COUNT,
            "faces": {"type": "array", "items": _FACE},
            "engine": _TEXT,
            "gallery": _COUNT,
            "repeat": {"type": "boolean"},
            "timings_ms": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        description="Who is in a frame: the very JSON that devices hear on MQTT.",
    ),
    "FrameInJson": _object(
        {
            "imgStr": {
                "type": "string",
                "format": "byte",
                "minLength": 4,
                "description": "A JPEG or PNG in base64.",
            },
            "imgName": FILE_NAME,
        },
        optional=("imgName",),
    ),
    "FrameInForm": _object({"file": IMAGE, "fileName": FILE_NAME}, optional=("fileName",)),
    "NewVideo": _object(
        {
            "fileName": VIDEO_NAME,
            "sampling": SAMPLING,
        },
        optional=("sampling",),
    ),
    "VideoUpload": _object(
        {
            "name": _TEXT,
            "key": _TEXT,
            "upload": _object(
                {
                    "method": {"const": "PUT"},
                    "url": {"type": "string", "format": "uri"},
                    "headers": {"type": "object", "additionalProperties": _TEXT},
                    "expires_at": TIME,
                },
                description="Send the file's bytes there, with these very headers.",
            ),
            "job": _JOB,
        }
    ),
    "Video": _object(
        {
            "name": _TEXT,
            "key": _TEXT,
            "job": _JOB,
            "device": {"type": "string", "description": "`video-`, and its report's `job`."},
            "state": {"enum": list(get_args(State))},
            "stills": _COUNT,
            "stills_done": _COUNT,
            "uploaded_at": TIME,
            "changed_at": TIME,
            "reason": {**_TEXT_OR_NULL, "description": "Why it was refused."},
            "detail": _TEXT_OR_NULL,
            "outputs": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string", "format": "uri"},
                "description": "When it is finished: a URL each of .txt, .csv and .json.",
            },
        }
    ),
    "Person": _object(_PERSON),
    "PersonWithFaces": _object(
        {
            **_PERSON,
            "faces": {
                "type": "array",
                "items": _object(
                    {
                        "id": _TEXT,
                        "engine": _TEXT,
                        "side_px": {"type": "number"},
                        "sharpness": {"type": "number"},
                        "added_at": TIME,
                    }
                ),
            },
        }
    ),
    "People": _object({"people": {"type": "array", "items": ref("Person")}, "cursor": _CURSOR}),
    "PhotoOutcome": _object(
        {
            "photo": _TEXT,
            "accepted": {"type": "boolean"},
            "reason": _TEXT_OR_NULL,
            "detail": _TEXT,
        }
    ),
    "Enrolled": _object(
        {"person": ref("Person"), "photos": {"type": "array", "items": ref("PhotoOutcome")}}
    ),
    "NewPerson": _object(
        {
            "name": NAME,
            "record": RECORD,
            "consent": CONSENT,
            "force": {"type": "boolean"},
            "keys": {
                "type": "array",
                "maxItems": new_person.MAX_PHOTOS,
                "items": {"type": "string", "format": "photo-key"},
                "description": "Photos in the media bucket, below frames/ or photos/.",
            },
        },
        optional=("record", "consent", "force", "keys"),
    ),
    "NewPersonInForm": _object(
        {
            "name": NAME,
            "record": {"type": "string", "format": "json-object"},
            "consent": CONSENT,
            "force": {"enum": ["true", "false"]},
            "photos": {"type": "array", "maxItems": new_person.MAX_PHOTOS, "items": FILE},
        },
        optional=("record", "consent", "force", "photos"),
    ),
    "PersonChange": _object(
        {"name": NAME, "record": RECORD, "consent": CONSENT},
        optional=("name", "record", "consent"),
        minProperties=1,
        anyOf=[{"required": [name]} for name in ("name", "record", "consent")],
        description="What is left out stays; a record is replaced whole.",
    ),
    "Sightings": _object(
        {"sightings": {"type": "array", "items": ref("FrameRecognized")}, "cursor": _CURSOR}
    ),
    "DeviceStatus": _object(
        {
            "device": {"type": "string", "pattern": DEVICE},
            "state": {"enum": ["online", "offline"]},
            "at": TIME,
            "version": _TEXT,
            "counters": {"type": "object", "additionalProperties": _COUNT},
            "spooled": _COUNT,
            "paused": {"type": "boolean"},
            "detail": _TEXT,
        },
        optional=("counters", "spooled", "paused", "detail"),
        description="A device's last words: the very JSON that it said on MQTT.",
    ),
    "Devices": _object(
        {"devices": {"type": "array", "items": ref("DeviceStatus")}, "cursor": _CURSOR}
    ),
    "Health": _object({"status": {"const": "ok"}, "version": _TEXT}),
}
