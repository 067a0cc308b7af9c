"""The pictures that light devices send: somebody's own, or the demo's."""

from pathlib import Path

from sightline.errors import ConfigError

_MADE = 8  # different ones


def read_pictures(folder: Path) -> tuple[bytes, ...]:
    """Read all JPEGs directly in *folder*, by name.

    Raises:
        ConfigError: There are none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder")
    files = sorted(each for each in folder.iterdir() if each.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise ConfigError(f"{folder}: there are no pictures in this folder (.jpg .jpeg)")
    return tuple(each.read_bytes() for each in files)


def made_pictures() -> tuple[bytes, ...]:
    """Draw frames of 1280×720 with one person, who moves from each to the next.

    Raises:
        ConfigError: The portrait is missing.
    """
    # Here, since OpenCV would make even `--help` wait for it.
    import cv2

    from infra.demo.clip import FRAMES_PER_S, Scene, frames
    from infra.demo.rehearsal import KNOWN, portrait

    scene = Scene(seconds=_MADE / FRAMES_PER_S, names=(KNOWN,))
    drawn = frames({KNOWN: portrait(KNOWN)}, (scene,))
    return tuple(cv2.imencode(".jpg", image)[1].tobytes() for image, _ in drawn)
