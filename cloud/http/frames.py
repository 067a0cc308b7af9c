"""`/v1/frames`: a picture in, who is in it out.

A frame goes the same way as a camera's: it is stored first, and what is recognised is what is
stored. The device is a virtual one, named after the caller's key.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from cloud.http import bodies
from cloud.http.authentication import Caller
from cloud.http.bodies import image_of, not_empty
from cloud.http.file_names import check_file_name, tidy_file_name
from cloud.http.problems import Problem
from cloud.intake import Reference
from sightline.keys import frame_key, new_frame_id
from sightline.messages import (
    FrameCaptured,
    FrameRecognized,
    FrameRejected,
    RejectedReason,
    encode,
)

IMAGES = ("image/jpeg", "image/png")
CONTENT_TYPES = (*IMAGES, bodies.MULTIPART, bodies.JSON)

KEY_HEADER = "sightline-key"  # where the frame is stored, for POST /v1/people to refer to

_PNG = b"\x89PNG"

# Whose fault a rejection is; the rest cannot come of what a caller sends, and are ours.
_STATUS: dict[RejectedReason, int] = {
    "too_large": 413,
    "not_an_image": 422,
    "unsupported_format": 422,
}


class Media(Protocol):
    """Where frames are kept; `cloud.http.media.S3Media` keeps them in the media bucket."""

    def keep(self, key: str, data: bytes, *, content_type: str, name: str) -> None:
        """Store a frame's file, and with it what its sender calls it.

        Raises:
            TransportError: The store did not answer.
        """
        ...


class Recognizing(Protocol):
    """The work itself; `cloud.recognition.Recognition` does it for real."""

    def answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        """Say who is in a frame; without *look_back*, in one that surely has no answer yet.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """
        ...


class Frames:
    """Serves `/v1/frames`.

    It blocks while it works: a worker of Lambda serves one request at a time.
    """

    def __init__(
        self,
        *,
        media: Callable[[], Media],
        recognition: Callable[[], Recognizing],
        now: Callable[[], datetime],
    ) -> None:
        self._media = media
        self._recognition = recognition
        self._now = now

    async def post(self, request: Request, caller: Caller) -> Response:
        """Recognise one picture."""
        name, data = await _read(request)
        now = self._now()
        frame_id = new_frame_id(now)
        key = frame_key(caller.device, frame_id, now)
        content_type = "image/png" if data.startswith(_PNG) else "image/jpeg"
        self._media().keep(key, data, content_type=content_type, name=name)
        captured = FrameCaptured(
            key=key,
            frame_id=frame_id,
            captured_at=now,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        answer = self._recognition().answer(
            Reference(device=caller.device, captured=captured, received_at=now), look_back=False
        )
        if isinstance(answer, FrameRejected):
            raise _rejected(answer)
        return Response(encode(answer), media_type=bodies.JSON, headers={KEY_HEADER: key})


async def _read(request: Request) -> tuple[str, bytes]:
    """Read what the picture is called, and the picture; a body that is one has no name."""
    kind = bodies.media_type(request, CONTENT_TYPES)
    if kind == bodies.JSON:
        body = await bodies.read_json(request)
        name, text = bodies.text_of(body, "imgName"), bodies.text_of(body, "imgStr")
        if text is None:
            raise Problem(400, "no-image", "imgStr is missing: give the picture in base64")
        said = "" if name is None else check_file_name(name, "imgName")
        return said, image_of(text, "imgStr")
    if kind == bodies.MULTIPART:
        form = await bodies.read_form(request)
        form.must_have_files_in("file")
        name = form.fields.get("fileName")
        files = form.files.get("file", ())
        if not files:
            raise Problem(400, "no-image", "there is no file in the form's field 'file'")
        if len(files) > 1:
            raise Problem(
                400,
                "bad-field",
                f"the form's field 'file' holds {len(files)} files; send one picture a request",
            )
        said = tidy_file_name(files[0].name) if name is None else check_file_name(name)
        return said, not_empty(files[0].data, "file")
    return "", not_empty(await bodies.read_bytes(request), "the body")


def _rejected(answer: FrameRejected) -> Problem:
    status = _STATUS.get(answer.reason, 500)
    return Problem(status, "frame-rejected", answer.detail, more={"reason": answer.reason})
