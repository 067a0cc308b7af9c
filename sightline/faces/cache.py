"""Where what takes long to make is kept."""

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Ours in the user's cache folder: ``$XDG_CACHE_HOME/sightline`` or ``~/.cache/sightline``.

    Source: XDG Base Directory Specification 0.8, which has relative paths ignored.
    """
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "sightline"
