"""Many short texts in one piece of memory, which may be a file's."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

_FEW = 64  # to look for one by one, which takes some milliseconds in a million; then all are read
_END = b"\0"


class Texts:
    """Texts by their places. A million of them as Python's own would take 70 MB."""

    def __init__(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        """Take texts in UTF-8, a NUL after each, and where the one after it begins."""
        self.data, self.ends = data, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """Join *texts*.

        Raises:
            ValueError: One holds a NUL.
        """
        pieces = [text.encode() + _END for text in texts]
        ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        data = b"".join(pieces)
        if data.count(_END) != len(pieces):
            raise ValueError("a text holds a NUL")
        return cls(np.frombuffer(data, np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> str:
        if not 0 <= place < len(self.ends):
            raise IndexError(place)
        start = int(self.ends[place - 1]) if place else 0
        return self.data[start : int(self.ends[place]) - 1].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self.data.tobytes().decode().split(_END.decode())[:-1])

    def find(self, texts: Collection[str]) -> set[int]:
        """Give the places of *texts*, as far as they are here."""
        if not texts:
            return set()
        if len(texts) > _FEW:
            return {place for place, text in enumerate(self) if text in texts}
        data = _END + self.data.tobytes()
        return {place for text in texts for place in self._places_of(text, data)}

    def _places_of(self, text: str, data: bytes) -> Iterator[int]:
        whole = _END + text.encode() + _END
        start = data.find(whole)
        while start >= 0:
            yield int(np.searchsorted(self.ends, start, side="right"))
            start = data.find(whole, start + 1)
