"""Motion: what of the picture is not as it was.

Each frame, at 160 px, is held against two running means. The slow one is the room: what differs
from it has come in, and stays a difference for as long as it stands there, because pixels that
differ are not averaged in. The quick one is the last second: what differs from it is moving now.

Source: the two means and the selective update follow Stauffer and Grimson, "Adaptive background
mixture models for real-time tracking", 1999, less the mixture; the rules about light are our own.
"""

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from device.cameras.camera import Image
from device.gate.settings import MotionSettings

Small = NDArray[np.float32]  # (about 120, 160) grey levels
Region = tuple[int, int, int, int]  # x, y, width, height in pixels of the frame

SIDE_PX = 160
_ROOM_S, _RECENT_S, _NOISE_S = 3.0, 0.7, 10.0  # time constants of the means
_LEAST_LEVELS = 6.0  # of grey: compression and a flickering lamp change as much
_FIRST_NOISE, _MOST_NOISE = 2.5, 10.0  # levels, after the blur
_SIGMAS = 5.0  # of noise: in a frame's 19,200 pixels one in a hundred frames exceeds it
_LIGHT_SHARE = 0.3  # of the picture at once: then it may be the light
_SETTLING_S = 1.0  # a camera's exposure takes so long to follow the light
_LIGHT_AGAIN_S = 10.0  # what changes sooner again is no switch
_BLOCK = 8  # px at 160: structure is compared so finely


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one frame shows.

    Attributes:
        share: Of the picture that is not as the room is, 0 to 1.
        moved: More than the threshold of it, and moving now.
        present: More than the threshold of it, moving or not.
        first: There was no frame before to compare with, or none of this size.
        light: The light was switched; for a second nothing counts as motion.
        region: All that changed lies in here.
    """

    share: float = 0.0
    moved: bool = False
    present: bool = False
    first: bool = False
    light: bool = False
    region: Region | None = None


class Motion:
    """Looks at one camera's frames in turn."""

    def __init__(self, settings: MotionSettings) -> None:
        self._threshold = settings.threshold
        self._absorb_s = settings.absorb_s
        self._room: _Room | None = None
        self._recent = np.empty((0, 0), np.float32)
        self._last_s = -math.inf
        self._light_s = -math.inf

    def see(self, image: Image, at_s: float) -> Change:
        """Look at the next frame.

        Args:
            image: (height, width, 3), B, G, R; or grey (height, width).
            at_s: When it was taken, on a monotonic clock.
        """
        small, step = _shrunk(image)
        if self._room is None or self._room.shape != small.shape:
            self._room = _Room(small)
            self._recent, self._last_s = small.copy(), at_s
            self._light_s = -math.inf
            return Change(first=True)
        room = self._room
        passed_s = max(0.0, at_s - self._last_s)
        self._last_s = max(at_s, self._last_s)
        changed = room.differing(small)
        share = _mean(changed)
        light = share > _LIGHT_SHARE and self._is_light(small, changed, at_s)
        settling = light or 0 <= at_s - self._light_s < _SETTLING_S
        stirred = _mean(_exceeding(_beyond(small, self._recent, room.limit), room.limit))
        self._recent += _weight(passed_s, _RECENT_S) * (small - self._recent)
        if settling:
            if light:
                self._light_s = at_s
                room.remember()
            room.learn_anew(small)
            self._recent = small.copy()
            return Change(share=share, light=light)
        room.learn(small, changed, passed_s, self._absorb_s)
        present = share >= self._threshold
        return Change(
            share=share,
            moved=present and stirred >= self._threshold,
            present=present,
            region=_region(changed, step, image) if present else None,
        )

    def _is_light(self, small: Small, changed: NDArray[np.bool_], at_s: float) -> bool:
        """Whether the same things are seen in another light; not twice within a few seconds."""
        if _SETTLING_S <= at_s - self._light_s < _LIGHT_AGAIN_S:
            return False
        assert self._room is not None  # noqa: S101
        return _same_things(small, self._room.mean, changed, self._room.noise)


class _Room:
    """How the picture is when nobody is there, pixel by pixel."""

    def __init__(self, small: Small) -> None:
        self.mean = small.copy()
        self.noise = _FIRST_NOISE  # standard deviation of what did not change, in levels
        self.limit = _SIGMAS * _FIRST_NOISE
        self._before = small.copy()  # what was there before something was absorbed
        self._differing_s = np.zeros_like(small)  # for how long by now
        self._difference = np.zeros_like(small)  # of the last frame
        self._frames = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def differing(self, small: Small) -> NDArray[np.bool_]:
        """Tell which pixels are neither as they are nor as they were before."""
        self._difference = _beyond(small, self.mean, self.limit)
        changed = _exceeding(self._difference, self.limit)
        if changed.any():
            back = changed & ~_exceeding(_beyond(small, self._before, self.limit), self.limit)
            if back.any():  # what was absorbed has gone: the room is as before
                self.mean[back], self._before[back] = self._before[back], self.mean[back]
                changed &= ~back
        return changed

    def learn(
        self,
        small: Small,
        changed: NDArray[np.bool_],
        passed_s: float,
        absorb_s: float,
    ) -> None:
        """Follow what did not change, and absorb what has stood for *absorb_s*.

        So the place of somebody who was there from the start, or when the light was switched, is
        taken for somebody for no longer than that.
        """
        self._frames += 1
        weight = max(_weight(passed_s, _ROOM_S), 1 / self._frames if self._frames < 20 else 0)
        still = ~changed
        self.mean += np.float32(weight) * (small - self.mean) * still
        self._follow_noise(still, passed_s)
        self._differing_s += np.float32(passed_s)
        self._differing_s *= changed
        if changed.any():
            absorbed = self._differing_s > absorb_s
            if absorbed.any():
                self._before[absorbed] = self.mean[absorbed]
                self.mean[absorbed] = small[absorbed]
                self._differing_s[absorbed] = 0

    def remember(self) -> None:
        """Know the room again when it is as it was until now."""
        self._before = self.mean.copy()

    def learn_anew(self, small: Small) -> None:
        """Take the room to be as it is now."""
        self.mean = small.copy()
        self._differing_s[:] = 0
        self._frames = 1

    def _follow_noise(self, still: NDArray[np.bool_], passed_s: float) -> None:
        count = int(np.count_nonzero(still))
        if count <= still.size // 10:
            return
        spread = 1.25 * float(np.vdot(np.abs(self._difference), still)) / count  # if normal
        weight = max(_weight(passed_s, _NOISE_S), 1 / self._frames if self._frames < 20 else 0)
        self.noise += weight * (min(spread, _MOST_NOISE) - self.noise)
        self.limit = max(_LEAST_LEVELS, _SIGMAS * self.noise)


def _shrunk(image: Image) -> tuple[Small, int]:
    """Take every n-th pixel, and blur: averaging them all would cost seven times as much."""
    step = max(1, math.ceil(image.shape[1] / SIDE_PX), math.ceil(image.shape[0] / SIDE_PX))
    top, left = (min(step, side) // 2 for side in image.shape[:2])
    taken = np.ascontiguousarray(image[top::step, left::step])
    if taken.ndim == 3:
        taken = cast(
            "Image",
            cv2.cvtColor(taken, cv2.COLOR_BGR2GRAY) if taken.shape[2] == 3 else taken[..., 0],
        )
    return cast("Small", cv2.blur(taken.astype(np.float32), (3, 3))), step


def _beyond(small: Small, usual: Small, limit: float) -> Small:
    """How *small* differs from *usual*, less what all of it has in common: drifting light.

    Light falls on all things in proportion, so what is common is a factor.
    """
    difference = small - usual
    common = cv2.mean(np.clip(difference, -limit, limit))[0] / max(1.0, cv2.mean(usual)[0])
    return difference - np.float32(common) * usual


def _exceeding(difference: Small, limit: float) -> NDArray[np.bool_]:
    exceeding: NDArray[np.bool_] = np.abs(difference) > limit
    return exceeding


def _mean(which: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(which)) / which.size


def _weight(passed_s: float, constant_s: float) -> float:
    return 1 - math.exp(-passed_s / constant_s)


def _region(changed: NDArray[np.bool_], step: int, image: Image) -> Region:
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    top, left = int(rows[0]) * step, int(columns[0]) * step
    bottom = min(image.shape[0], (int(rows[-1]) + 1) * step)
    right = min(image.shape[1], (int(columns[-1]) + 1) * step)
    return left, top, right - left, bottom - top


def _same_things(one: Small, other: Small, changed: NDArray[np.bool_], noise: float) -> bool:
    """Whether two pictures have the same structure where they differ, block by block.

    A block without structure in one of them, such as in the dark, says nothing; if hardly any
    block says anything, it is the light.
    """
    rows, columns = (side // _BLOCK for side in one.shape)
    if not rows or not columns:
        return False

    def blocks(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        cut = picture[: rows * _BLOCK, : columns * _BLOCK]
        cut = cut.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
        return cut.reshape(rows * columns, _BLOCK * _BLOCK)

    a, b = blocks(one), blocks(other)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread_a, spread_b = np.mean(a * a, axis=1), np.mean(b * b, axis=1)
    told = blocks(changed.astype(np.float32)).mean(axis=1) > 0.5
    structured = np.minimum(spread_a, spread_b) > 4 * noise * noise + 4
    speaking = told & structured
    if int(np.count_nonzero(speaking)) < 0.1 * max(1, int(np.count_nonzero(told))):
        return True
    alike = np.mean(a * b, axis=1)[speaking] / np.sqrt(spread_a * spread_b)[speaking]
    return float(np.median(alike)) > 0.6
