"""What of a film could not be used, in words."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Counted:
    times: int = 0
    first_ms: int = 0

    def add(self, at_ms: int) -> None:
        if self.times == 0:
            self.first_ms = at_ms
        self.times += 1


@dataclass(slots=True, kw_only=True)
class Damage:
    """Counts what was lost while a film was read; offsets are milliseconds from its begin."""

    _packets: _Counted = field(default_factory=_Counted)
    _frames: _Counted = field(default_factory=_Counted)
    _torn: _Counted = field(default_factory=_Counted)
    _others: list[str] = field(default_factory=list)

    def packet(self, at_ms: int) -> None:
        """A packet was not decoded."""
        self._packets.add(at_ms)

    def torn(self, at_ms: int) -> None:
        """A packet lacks a part, as the container can tell; its frame may be whole all the same."""
        self._torn.add(at_ms)

    def silent(self, packets: int) -> None:
        """So many packets gave no frame, and no error."""
        self._say(f"{_many(packets, 'packet')} gave no frame")

    def frame(self, at_ms: int) -> None:
        """A frame was decoded, though not all of it."""
        self._frames.add(at_ms)

    def unread(self, at_ms: int, why: str) -> None:
        """Nothing more could be read from the file."""
        self._say(f"the file cannot be read beyond {_at(at_ms)}: {why}")

    def cut(self, at_ms: int, *, frames: int) -> None:
        """The file ended before its index did."""
        what = "1 frame is" if frames == 1 else f"{frames} frames are"
        self._say(f"the file is cut off after {_at(at_ms)}: {what} in its index, and not in it")

    def short(self, at_ms: int, *, duration_s: float) -> None:
        """The file ended before it should."""
        ends = f"the film ends at {_at(at_ms)}"
        self._say(f"{ends}, and the file says that it lasts {duration_s:.1f} s")

    def leap(self, at_ms: int) -> None:
        """The next frame's time is long before or after the last one's."""
        said = "the times in the file leap"
        if not any(each.startswith(said) for each in self._others):
            self._say(f"{said} after {_at(at_ms)}: what follows was put right behind it")

    def told(self) -> tuple[str, ...]:
        """Say it all, a sentence each."""
        told = []
        for counted, what, how in (
            (self._torn, "packet", "incomplete in the file"),
            (self._packets, "packet", "impossible to decode"),
            (self._frames, "frame", "damaged and left out"),
        ):
            if counted.times:
                were = "was" if counted.times == 1 else "were"
                many = _many(counted.times, what)
                told.append(f"{many} {were} {how}, from {_at(counted.first_ms)} on")
        return (*told, *self._others)

    def _say(self, said: str) -> None:
        if said not in self._others:
            self._others.append(said)


def _at(at_ms: int) -> str:
    return f"{at_ms / 1000:.3f} s"


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
