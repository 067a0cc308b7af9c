"""From photos to faces that are judged whatever their size and sharpness, which is the question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.photos import folders_in, images_in
from sightline.errors import ConfigError, ImageError
from sightline.faces.alignment import align
from sightline.faces.detector import Detections
from sightline.faces.engines import Engine
from sightline.faces.image import Frame, decode
from sightline.faces.quality import sharpness
from sightline.faces.recognizer import Finder

SMALLEST_FACE_PX = 20  # smaller than the gate lets through, so that the gate can be judged

Side = float  # of a face's box, the smaller one, in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A photo's largest face."""

    photo: str
    side_px: Side
    sharpness: float
    others: int  # faces in the photo beside this one
    embedding: NDArray[np.float32] = field(repr=False)  # (d,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A photo that no figure rests on."""

    photo: str
    reason: str


class Looker:
    """Finds and embeds the largest face of a photo."""

    def __init__(self, detector: Finder, engine: Engine) -> None:
        """Join the two; the detector should look for faces of `SMALLEST_FACE_PX`."""
        self._detector = detector
        self.engine = engine

    def look(self, photo: Path) -> Face | LeftOut:
        """Look at a photo in a file.

        Raises:
            ConfigError: The file cannot be read at all.
        """
        try:
            frame = decode(photo.read_bytes())
        except OSError as err:
            raise ConfigError(f"{photo} cannot be read: {err.strerror}") from err
        except ImageError as err:
            return LeftOut(photo=str(photo), reason=str(err))
        found = self._detector.detect(frame)
        if not len(found):
            return LeftOut(photo=str(photo), reason="no face was found")
        return self._face(str(photo), frame, found, largest(found))

    def look_again(self, photo: str, frame: Frame, near: tuple[float, float]) -> Face | None:
        """Look at a changed photo, for the face whose middle is *near* x, y; None if it is lost."""
        found = self._detector.detect(frame)
        middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
        inside = np.abs(middles - near).max(axis=1, initial=0) < sides / 2
        if not inside.any():
            return None
        return self._face(photo, frame, found, int(np.flatnonzero(inside)[0]))

    def where(self, frame: Frame) -> tuple[float, float] | None:
        """Tell the middle of the largest face, x and y in pixels."""
        found = self._detector.detect(frame)
        if not len(found):
            return None
        box = found.boxes[largest(found)]
        return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2

    def _face(self, photo: str, frame: Frame, found: Detections, which: int) -> Face:
        box = found.boxes[which]
        chip = align(frame, found.landmarks[which], self.engine.template, self.engine.chip_size)
        return Face(
            photo=photo,
            side_px=float((box[2:] - box[:2]).min()),
            sharpness=sharpness(chip),
            others=len(found) - 1,
            embedding=self.engine.embed(chip[np.newaxis])[0],
        )


def largest(found: Detections) -> int:
    """Tell which face is largest."""
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1)
    return int(sides.argmax())


def photos_in(folder: Path) -> Mapping[str, Sequence[Path]]:
    """List the photos of *folder* by person: a folder a person, named after them.

    Raises:
        ConfigError: There are fewer than two people, or somebody has no photo.
    """
    people = {each.name: images_in(each, below=True) for each in folders_in(folder)}
    if len(people) < 2:
        raise ConfigError(
            f"{folder} holds photos of one person only: who is to be told from whom? "
            "Put the photos of another person into a folder beside theirs"
        )
    return people


def shrunk(frame: Frame, share: float) -> Frame:
    """Make *frame* smaller, as a camera farther away would have sent it: JPEG, quality 80."""
    height, width = (max(1, round(side * share)) for side in frame.shape[:2])
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert written  # noqa: S101 - OpenCV writes any such array
    return decode(data.tobytes())


def blurred(frame: Frame, sigma_px: float) -> Frame:
    """Blur *frame* by a Gaussian, as a lens out of focus does."""
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma_px), np.uint8)


def everybody(people: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, Path]]:
    """Go through all photos with whose they are."""
    return ((person, photo) for person, photos in people.items() for photo in photos)
