"""What the API needs of the outside, inside the process: for dry runs and tests."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from cloud.http.keys import ApiKey
from cloud.memory import MemoryFrames
from sightline.messages import DeviceStatus


class MemoryKeys:
    """See `cloud.http.keys.KeyStore`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._taken: dict[tuple[str, int], int] = {}

    def add(self, key: ApiKey) -> None:
        """Keep a key, instead of what was kept under its id."""
        self._keys[key.id] = key

    def find(self, key_id: str) -> ApiKey | None:
        """See `KeyStore.find`."""
        return self._keys.get(key_id)

    def take(self, what: str, *, most: int, now: datetime) -> bool:
        """See `KeyStore.take`."""
        window = what, int(now.timestamp()) // 60
        with self._lock:
            taken = self._taken.get(window, 0)
            if taken >= most:
                return False
            self._taken[window] = taken + 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A frame as it was stored."""

    data: bytes = field(repr=False)
    content_type: str
    name: str


class MemoryMedia(MemoryFrames):
    """See `cloud.http.frames.Media`."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        super().__init__(objects)
        self.kept: dict[str, Kept] = {}

    def keep(self, key: str, data: bytes, *, content_type: str, name: str) -> None:
        """See `Media.keep`."""
        self.put(key, data)
        self.kept[key] = Kept(data=data, content_type=content_type, name=name)


class MemoryVideos:
    """See `cloud.http.videos.VideoStore`; its URLs lead nowhere."""

    def upload_url(self, key: str, *, headers: Mapping[str, str], good_for: timedelta) -> str:
        """See `VideoStore.upload_url`."""
        signed = ",".join(sorted(headers))
        return f"memory://inputs/{quote(key)}?expires={good_for.seconds}&signed={signed}"

    def output_url(self, key: str, *, good_for: timedelta) -> str:
        """See `VideoStore.output_url`."""
        return f"memory://outputs/{quote(key)}?expires={good_for.seconds}"


class MemoryStatuses:
    """See `cloud.http.devices.Statuses`."""

    def __init__(self, *statuses: DeviceStatus) -> None:
        self._statuses = {status.device: status for status in statuses}

    def devices(self) -> list[str]:
        """See `Statuses.devices`."""
        return sorted(self._statuses)

    def of(self, device: str) -> DeviceStatus | None:
        """See `Statuses.of`."""
        return self._statuses.get(device)
