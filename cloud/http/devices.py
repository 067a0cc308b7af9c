"""`/v1/devices`: the last words of each device, which the broker keeps."""

from collections.abc import Callable, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloud.http import queries
from cloud.http.authentication import Caller
from sightline.messages import DeviceStatus
from sightline.wire import dump

MOST = 50  # each is asked for by itself


class Statuses(Protocol):
    """What devices said last; `cloud.http.last_words.LastWords` asks AWS IoT."""

    def devices(self) -> Sequence[str]:
        """Name all devices that ever said something, sorted.

        Raises:
            TransportError: The broker did not answer.
        """
        ...

    def of(self, device: str) -> DeviceStatus | None:
        """Read what *device* said last; None: nothing, or nothing that can be understood.

        Raises:
            TransportError: The broker did not answer.
        """
        ...


class Devices:
    """Serves `/v1/devices`."""

    def __init__(self, *, statuses: Callable[[], Statuses]) -> None:
        self._statuses = statuses

    async def get(self, request: Request, _caller: Caller) -> Response:
        """List devices by name, with what each said last."""
        asked = queries.read(request, ("cursor", "limit"))
        limit, after = queries.limit(asked, MOST), asked.get("cursor", "")
        statuses = self._statuses()
        names = [name for name in statuses.devices() if name > after]
        found = [statuses.of(name) for name in names[:limit]]
        cursor = names[limit - 1] if len(names) > limit else None
        devices = [dump(status) for status in found if status is not None]
        return JSONResponse({"devices": devices, "cursor": cursor})
