"""Delete what a local stack keeps on this machine."""

import shutil
from pathlib import Path

from infra.deploying.events import Say
from infra.local.state_folder import StateFolder
from sightline.errors import ConfigError

_KEPT_BY_A_STACK = (
    "ministack",
    "functions",
    "logs",
    "authority",
    "ca.pem",
    "root.json",
    "stack.json",
    "operator",
)


def remove_state(state: Path, say: Say) -> None:
    """Delete people, pictures, certificates and logs of the local stack; nothing else there.

    Raises:
        ConfigError: A stack runs on it, or it cannot be written.
    """
    if not (state / "root.json").is_file():
        say(f"there is no local stack in {state}, and nothing left to delete")
        return
    with StateFolder(state):  # so that none runs there, and none starts meanwhile
        for path in sorted(state.iterdir()):
            if path.name not in _KEPT_BY_A_STACK and not path.name.startswith("gallery"):
                continue
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError as err:
                raise ConfigError(f"cannot delete {path}: {err.strerror}") from err
    others = sorted(path.name for path in state.iterdir() if path.name != "lock")
    if others:
        say(f"kept, since no stack made it: {', '.join(others)} in {state}")
    else:
        shutil.rmtree(state)
    say(f"the local stack in {state} is deleted")
