"""Where an agent keeps what is to outlast it."""

from collections.abc import Mapping
from pathlib import Path

from sightline.errors import ConfigError


def state_folder(thing: str, environment: Mapping[str, str]) -> Path:
    """Choose the folder for the state of *thing*'s agent. It need not be there.

    That is what systemd made for the unit (`StateDirectory=`), else a folder of the user's own.

    Raises:
        ConfigError: There is neither.

    Source: systemd.exec(5); the XDG Base Directory Specification.
    """
    if given := environment.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    root = Path(environment.get("XDG_STATE_HOME", ""))
    if not root.is_absolute():  # the specification has such a value ignored
        try:
            root = Path.home() / ".local" / "state"
        except RuntimeError as err:
            raise ConfigError(
                "there is no home folder to keep frames in; set [spool] folder, or memory = true"
            ) from err
    return root / "sightline" / thing
