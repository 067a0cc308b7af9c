"""The frames that `bench engine` works on: real photographs where there are, else the portraits."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).parents[2]
PORTRAITS = PROJECT / "tests" / "data"
PHOTOGRAPHS = PROJECT.parent / "shared" / "faces" / "probe"

WIDTH, HEIGHT = 1280, 720
FRAMES = 6
LARGE = (4000, 3000)  # 12 megapixels

Picture = NDArray[np.uint8]  # (h, w, 3), BGR


def write_pictures(folder: Path) -> str:
    """Fill *folder*: one/, six/ (frames of one and six faces), large/ (12 megapixels), chips.npy.

    Returns:
        What they were made of, in words.
    """
    hopper, collins = (
        _read(PORTRAITS / name) for name in ("grace-hopper.jpg", "eileen-collins.png")
    )
    one, six = PHOTOGRAPHS / "obama-720p.jpg", PHOTOGRAPHS / "six-strangers.jpg"
    if one.is_file() and six.is_file():
        said = f"real photographs ({one.name}, {six.name}) filling 1280×720"
        frames = {"one": _filling(_read(one)), "six": _filling(_read(six))}
    else:
        said = "a portrait, and a montage of six, on 1280×720"
        tiles = [cv2.resize(each, (420, 360)) for each in (hopper, collins)]
        row = np.hstack([tiles[0], tiles[1], tiles[0][:, ::-1]])
        montage = np.vstack([row, row[:, ::-1]])
        frames = {
            "one": _filling(hopper),
            "six": cv2.resize(montage, (WIDTH, HEIGHT)).astype(np.uint8),
        }
    for name, frame in frames.items():
        (folder / name).mkdir()
        for i in range(FRAMES):
            _write(folder / name / f"{i}.jpg", _moved(frame, 7 * i, 5 * i))
    (folder / "large").mkdir()
    _write(folder / "large" / "0.jpg", _large(hopper), quality=90)
    chips = [cv2.resize(each[20:220, 150:350], (150, 150)) for each in (hopper, collins)]
    np.save(folder / "chips.npy", np.stack(chips)[..., ::-1])
    return said


def _filling(picture: Picture) -> Picture:
    """Scale to 1280 x 720, its whole height shown, and its mirrored edges beside it."""
    height, width = picture.shape[:2]
    scale = HEIGHT / height
    scaled = cv2.resize(picture, (round(width * scale), HEIGHT), interpolation=cv2.INTER_AREA)
    beside = WIDTH - scaled.shape[1]
    if beside <= 0:
        left = -beside // 2
        return np.ascontiguousarray(scaled[:, left : left + WIDTH]).astype(np.uint8)
    # Blurred, so that no second face is mirrored into it.
    ground = cv2.GaussianBlur(cv2.resize(picture, (WIDTH, HEIGHT)), (0, 0), 40)
    ground[:, beside // 2 : beside // 2 + scaled.shape[1]] = scaled
    return ground.astype(np.uint8)


def _moved(picture: Picture, x: int, y: int) -> Picture:
    """Shift: another frame has other candidates, and other shapes for the networks."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    height, width = picture.shape[:2]
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8)


def _large(picture: Picture) -> Picture:
    """Enlarge, with a camera's noise: without, the file would be too easily decoded."""
    large = np.asarray(cv2.resize(picture, LARGE, interpolation=cv2.INTER_CUBIC), np.float32)
    large += np.random.default_rng(0).normal(0, 6, large.shape).astype(np.float32)
    return np.clip(large, 0, 255).astype(np.uint8)


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(path)
    return picture.astype(np.uint8)


def _write(path: Path, picture: Picture, quality: int = 85) -> None:
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
