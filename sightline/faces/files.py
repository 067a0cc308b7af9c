"""Files that are there whole or not at all."""

import os
from pathlib import Path
from secrets import token_hex

from sightline.errors import ModelError


def write_at_once(path: Path, data: bytes) -> None:
    """Write *data* to *path*, at once or not at all; its folder is made.

    Raises:
        ModelError: It cannot be written.
    """
    new = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as err:
        raise ModelError(f"{path} cannot be written: {err.strerror}") from err
