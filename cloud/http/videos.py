"""`/v1/videos`: where to upload one, and how far it is.

A video is too large for the API: it goes straight to the input bucket, by a URL that is good for
that one object and an hour. From there the chain of videos takes it, whoever uploaded it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloud.http import bodies
from cloud.http.authentication import Caller
from cloud.http.file_names import check_video_name
from cloud.http.problems import Problem, as_bad_request
from cloud.videos.naming import name_of
from cloud.videos.sampling import Sampling
from sightline.wire import Json, write_time

if TYPE_CHECKING:  # botocore comes with it
    from cloud.videos.ledger import VideoReader
    from cloud.videos.video import Video

FOLDER = "uploads"
URL_GOOD_FOR = timedelta(hours=1)
SAMPLING_HEADER = "x-amz-meta-sightline-sampling"

_OUTPUTS = ("txt", "csv", "json")


class VideoStore(Protocol):
    """Lends rights to single objects; `cloud.http.media.S3Videos` signs URLs."""

    def upload_url(self, key: str, *, headers: Mapping[str, str], good_for: timedelta) -> str:
        """Make a URL that an object may be put to, with those very headers."""
        ...

    def output_url(self, key: str, *, good_for: timedelta) -> str:
        """Make a URL that an output can be read from."""
        ...


class Videos:
    """Serves `/v1/videos` and `/v1/videos/{name}`."""

    def __init__(
        self,
        *,
        store: Callable[[], VideoStore],
        ledger: "Callable[[], VideoReader]",
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._now = now

    async def post(self, request: Request, _caller: Caller) -> Response:
        """Say where a video is to be uploaded, and where it can be asked after."""
        bodies.media_type(request, [bodies.JSON])
        body = await bodies.read_json(request)
        file_name, sampling = bodies.text_of(body, "fileName"), bodies.text_of(body, "sampling")
        if file_name is None:
            raise Problem(400, "bad-field", "fileName is missing: what is the video called?")
        key = f"{FOLDER}/{uuid4()}/{check_video_name(file_name)}"
        headers = {}
        if sampling is not None:
            with as_bad_request("bad-field"):
                headers[SAMPLING_HEADER] = str(Sampling.parse(sampling))
        url = self._store().upload_url(key, headers=headers, good_for=URL_GOOD_FOR)
        name = name_of(key)
        job = _job_of(name)
        answer = {
            "name": name,
            "key": key,
            "upload": {
                "method": "PUT",
                "url": url,
                "headers": headers,
                "expires_at": write_time(self._now() + URL_GOOD_FOR),
            },
            "job": job,
        }
        return JSONResponse(answer, 201, headers={"location": job})

    async def get(self, request: Request, _caller: Caller) -> Response:
        """Say how far a video is, and where its results are."""
        name = request.path_params["name"]
        video = self._ledger().find(name) if _can_be(name) else None
        if video is None:
            raise Problem(
                404,
                "no-such-video",
                "nothing was uploaded under this name yet; a name is a key without its last ending",
            )
        return JSONResponse(self._state(video))

    def _state(self, video: "Video") -> dict[str, Json]:
        return {
            "name": video.name,
            "key": video.key,
            "job": _job_of(video.name),
            "device": video.device,
            "state": video.state,
            "stills": video.stills,
            "stills_done": video.stills_done,
            "uploaded_at": write_time(video.uploaded_at),
            "changed_at": write_time(video.changed_at),
            "reason": video.reason,
            "detail": video.detail,
            "outputs": self._outputs(video),
        }

    def _outputs(self, video: "Video") -> dict[str, str] | None:
        """Give the URLs of what is written; of a video that was refused that is the JSON alone."""
        if video.state not in ("done", "incomplete", "refused"):
            return None
        endings = ("json",) if video.state == "refused" else _OUTPUTS
        store = self._store()
        return {
            ending: store.output_url(f"{video.name}.{ending}", good_for=URL_GOOD_FOR)
            for ending in endings
        }


def _job_of(name: str) -> str:
    """Write where a video can be asked after."""
    return f"/v1/videos/{quote(name)}"


def _can_be(name: str) -> bool:
    """Tell whether DynamoDB and S3 could hold *name*: a key of theirs has up to 1024 bytes."""
    try:
        return 1 <= len(name.encode()) <= 1024
    except UnicodeEncodeError:
        return False
