"""The spool that settings ask for, put together."""

import contextlib
from collections.abc import Mapping
from functools import partial

from device.settings import Settings
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import Spool
from device.state_folder import state_folder
from sightline.keys import frame_key


def open_spool(
    settings: Settings, environment: Mapping[str, str]
) -> contextlib.AbstractContextManager[Spool]:
    """Build the spool; it is open to the end of the `with`.

    Raises:
        ConfigError: Another agent has its folder, or there can be none.
    """
    wanted = settings.spool
    memory = MemorySpool(
        max_frames=wanted.max_frames, max_bytes=wanted.memory_bytes, max_age_s=wanted.max_age_s
    )
    if wanted.memory:
        return contextlib.nullcontext(memory)
    return DiskSpool(
        wanted.folder or state_folder(settings.thing, environment) / "spool",
        partial(frame_key, settings.thing),
        Bounds(
            max_frames=wanted.max_frames, max_bytes=wanted.max_bytes, max_age_s=wanted.max_age_s
        ),
        memory,
    )
