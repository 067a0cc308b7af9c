"""The fleet's clip: the demo's scenes at half its size, each frame as far apart as is asked."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from infra.demo import clip as clips
from infra.demo.clip import Image, Shown, Truth
from sightline.errors import ConfigError

# The demo's, with an eighth of its frames: other people and places in each.
SCENES = tuple(dataclasses.replace(scene, seconds=scene.seconds / 8) for scene in clips.SCENES)
WIDTH, HEIGHT = clips.WIDTH // 2, clips.HEIGHT // 2


def make_clip(path: Path, portraits: Mapping[str, Image], *, fps: float) -> Truth:
    """Write the frames of `SCENES`, and say who is in each.

    Decoding one frame for each that is captured is what lets many cameras play on one machine.

    Raises:
        ConfigError: OpenCV cannot write there.
    """
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, fps, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise ConfigError(f"the clip cannot be written to {path}: is the folder there, not full?")
    truth: list[tuple[Shown, ...]] = []
    try:
        for image, shown in clips.frames(portraits, SCENES):
            half = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            small: Image = half.astype(np.uint8)
            clips.draw_number(small, len(truth))
            writer.write(small)
            truth.append(tuple(_halved(each) for each in shown))
    finally:
        writer.release()
    return tuple(truth)


def _halved(shown: Shown) -> Shown:
    sizes = {name: getattr(shown, name) // 2 for name in ("x", "y", "width", "height")}
    return dataclasses.replace(shown, **sizes)
