"""Photos from files and folders, for enrolment."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cloud.enrolment import MAX_PHOTO_BYTES, Photo
from sightline.errors import ConfigError

_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".gif"})


def read_photos(paths: Sequence[Path]) -> Iterator[Photo]:
    """Read *paths* one after the other, as they are asked for; a folder stands for its images.

    Raises:
        ConfigError: A file is missing or cannot be read, or a folder has no image. All but the
            reading is checked before the first photo is given.
    """
    files = [file for path in paths for file in (images_in(path) if path.is_dir() else [path])]
    for file in files:
        if not file.is_file():
            raise ConfigError(f"there is no file {file}")
    return map(_read, files)


def images_in(folder: Path) -> list[Path]:
    """List the image files of *folder*, by name; formats that cannot be read are refused later.

    Raises:
        ConfigError: It has none, or is no folder.
    """
    try:
        inside = sorted(folder.iterdir())
    except OSError as err:
        raise ConfigError(f"cannot look into {folder}: {err.strerror}") from err
    images = [
        file
        for file in inside
        if file.suffix.lower() in _ENDINGS and not file.name.startswith(".") and file.is_file()
    ]
    if not images:
        raise ConfigError(f"{folder} holds no images; put .jpg or .png files of the person in it")
    return images


def folders_in(folder: Path) -> list[Path]:
    """List the folders in *folder*, one a person, by name.

    Raises:
        ConfigError: It has none, or is no folder.
    """
    try:
        people = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as err:
        raise ConfigError(f"cannot look into {folder}: {err.strerror}") from err
    if not people:
        raise ConfigError(f"{folder} holds no folders; make one for each person, with their photos")
    return people


def _read(file: Path) -> Photo:
    try:
        with file.open("rb") as stream:
            # One byte more than is taken: enough to see that it is too large, and to refuse it
            # beside the others' reasons.
            return Photo(name=str(file), data=stream.read(MAX_PHOTO_BYTES + 1))
    except OSError as err:
        raise ConfigError(f"cannot read {file}: {err.strerror}") from err
