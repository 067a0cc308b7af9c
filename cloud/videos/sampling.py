"""Which frames of a film become stills."""

import re
from dataclasses import dataclass
from typing import Literal, Self, get_args

from sightline.errors import ConfigError

Mode = Literal["first", "every", "all", "scenes"]

SHORTEST_US, LONGEST_US = 10_000, 24 * 3600 * 1_000_000  # between two stills
SCENE_THRESHOLD = 0.3

_FORMS = "first, every:0.5 (seconds, or 0.5 alone), all, scenes or scenes:0.3 (0 to 1)"
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?|\.[0-9]{1,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One way to choose stills; `str` gives the text that `parse` reads.

    Attributes:
        mode: `first`: candidates every half second, of which whoever asks takes the first that is
            any good; `every`: one each so many seconds; `all`: each frame; `scenes`: the first
            frame of each scene, and one each half minute of a long one.
        every_us: Microseconds from one due time to the next; a whole number, so that no due time
            drifts from its multiple however long the film is.
        threshold: How large a change begins a new scene, as `cloud.videos.scenes` measures it.
    """

    mode: Mode = "every"
    every_us: int = 500_000
    threshold: float = SCENE_THRESHOLD

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(f"there is no sampling {self.mode!r}; give {_FORMS}")
        if not SHORTEST_US <= self.every_us <= LONGEST_US:
            raise ConfigError(
                f"stills every {_written(self.every_us / 1e6)} s: from "
                f"{_written(SHORTEST_US / 1e6)} to {_written(LONGEST_US / 1e6)} s are possible"
            )
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"scenes:{self.threshold:g}: give a change over 0 and up to 1")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `first`, `every:0.5`, `0.5`, `all`, `scenes` or `scenes:0.3`.

        Raises:
            ConfigError: It is none of them; the text says what may be given.
        """
        word, colon, number = text.strip().lower().partition(":")
        if not colon and word in ("first", "all", "scenes"):
            return cls(mode=word)  # type: ignore[arg-type]  # of its words, checked above
        if not colon and _NUMBER.fullmatch(word):
            return cls(every_us=_microseconds(word))
        if word == "every" and _NUMBER.fullmatch(number):
            return cls(every_us=_microseconds(number))
        if word == "scenes" and _NUMBER.fullmatch(number):
            return cls(mode="scenes", threshold=float(number))
        raise ConfigError(f"there is no sampling {text[:40]!r}; give {_FORMS}")

    def __str__(self) -> str:
        if self.mode == "every":
            return f"every:{_written(self.every_us / 1e6)}"
        if self.mode == "scenes":
            return f"scenes:{_written(self.threshold)}"
        return self.mode

    def due_ms(self, after_ms: int | None) -> float:
        """Tell from when on a frame may be the next still, if the last one was at *after_ms*.

        Of `all` and `scenes`, that is any later one.
        """
        if after_ms is None:
            return 0.0
        if self.mode in ("all", "scenes"):
            return after_ms + 1
        return (after_ms * 1000 // self.every_us + 1) * self.every_us / 1000


def _microseconds(number: str) -> int:
    return round(float(number) * 1e6)


def _written(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
