"""An engine's INT8 form from a folder of photos."""

from collections.abc import Callable
from pathlib import Path

from cloud.photos import images_in
from infra.export.int8 import Effect, cut_faces, quantise
from sightline.errors import ConfigError, ImageError
from sightline.faces.cache import cache_folder
from sightline.faces.cards import Card
from sightline.faces.detector import Detector
from sightline.faces.engines import engine_card, prepare_engine
from sightline.faces.image import Frame, decode


def quantise_engine(
    name: str, photos: Path, folder: Path | None, *, say: Callable[[str], None]
) -> tuple[Card, Effect, list[str]]:
    """Make the INT8 form of the engine *name* from the faces in *photos*.

    Args:
        name: "dlib" or "facenet".
        photos: A folder of folders, one a person; pictures beside those are somebody else each.
        folder: Where the engines lie; by default the user's cache.
        say: Told what happens.

    Returns:
        The new engine's card, what it changes, and the photos that were of no use, with why.

    Raises:
        ConfigError: There are no photos, or too few faces.
        ModelError: The engine is not here, or cannot be written.
    """
    prepare_engine(name, folder)
    card = engine_card(name, folder)
    frames, skipped = _read(photos)
    say(f"finding faces in {len(frames)} photos …")
    faces, without = cut_faces(frames, Detector(), card)
    if without:
        skipped.append(f"{without} photos without a face large enough")
    say(f"quantising on {len(faces.people)} faces …")
    made, effect = quantise(name, card, faces, folder or cache_folder())
    return made, effect, skipped


def _read(photos: Path) -> tuple[list[tuple[str, Frame]], list[str]]:
    if not photos.is_dir():
        raise ConfigError(f"there is no folder {photos}")
    people = sorted(path for path in photos.iterdir() if path.is_dir())
    files = [(person.name, file) for person in people for file in _images(person, below=True)]
    files += [(file.stem, file) for file in _images(photos)]
    if not files:
        raise ConfigError(f"{photos} holds no photos; make a folder for each person in it")
    frames, skipped = [], []
    for person, file in files:
        try:
            frames.append((person, decode(file.read_bytes())))
        except (OSError, ImageError) as err:
            skipped.append(f"{file}: {err}")
    return frames, skipped


def _images(folder: Path, *, below: bool = False) -> list[Path]:
    try:
        return images_in(folder, below=below)
    except ConfigError:
        return []
