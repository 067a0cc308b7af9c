"""The size of a picture, from the head of its JPEG."""

# SOF0 to SOF15, less the three numbers among them that mean tables (ITU T.81, table B.1).
_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01, 0xFF}  # markers, and filling, without a length


def size(jpeg: bytes) -> tuple[int, int] | None:
    """Read width and height in pixels; None: it is no JPEG, or cut short before it says.

    Source: ITU T.81, annex B.
    """
    if jpeg[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker in _FRAME:
            width = int.from_bytes(jpeg[at + 7 : at + 9], "big")
            height = int.from_bytes(jpeg[at + 5 : at + 7], "big")
            return (width, height) if width and height else None
        if marker in _ALONE:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return None
