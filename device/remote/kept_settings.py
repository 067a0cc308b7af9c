"""What was asked for the last time, kept for a start without a network: one small JSON file."""

import json
import logging
from pathlib import Path

from device.joining.kept_identity import write_whole
from device.remote.documents import read_object
from device.remote.live_settings import Values
from sightline.errors import MessageError

log = logging.getLogger(__name__)

FILE = "settings.json"
_LARGEST = 64 * 1024  # bytes; ours has a few hundred


class KeptSettings:
    """The file; one that cannot be read or written is told of, and done without."""

    def __init__(self, path: Path) -> None:
        """Keep them in *path*, whose folder need not be there."""
        self._path = path
        self._said: str | None = None

    def load(self) -> Values:
        """Read what is kept, by path; nothing, if there is none or it cannot be read."""
        try:
            with self._path.open("rb") as file:
                return read_object(file.read(_LARGEST))
        except FileNotFoundError:
            return {}
        except (OSError, MessageError) as err:
            log.warning("%s cannot be used, device.toml holds: %s", self._path, err)
            return {}

    def save(self, values: Values) -> None:
        """Write what is to be kept, in one step."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(dict(values), indent=1).encode() + b"\n", 0o600)
            self._said = None
        except OSError as err:
            said = f"{self._path}: settings cannot be kept for a restart: {err.strerror or err}"
            if said != self._said:
                log.warning("%s", said)
            self._said = said

    def trouble(self) -> str | None:
        """Say what keeps them from being kept; None: nothing."""
        return self._said
