"""People's names, and the ids that are made from them."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import count

_MAX_STEM = 56  # leaves room in an id of 64 for a number behind it

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_DROPPED = f"'’{_JOINERS}"

# Letters that Unicode does not take apart into a Latin one and an accent.
_LATIN = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


def tidy(name: str) -> str:
    """Return *name* with single spaces, in Unicode's composed form."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def likeness(name: str) -> str:
    """Write *name* so that two spellings of it are equal: no case, accents, joiners, punctuation.

    Letters of any script are kept.
    """
    # Apart, folded and apart again: folding makes new accents, and taking apart new capitals (𝕬).
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    folded = folded.translate(_LATIN)
    letters = "".join(
        character for character in folded if character not in _DROPPED and not _is_mark(character)
    )
    return re.sub(r"[\W_]+", "-", letters).strip("-")


def is_line(name: str) -> bool:
    """Tell whether all of *name* can be seen, or stands where a letter's form depends on it.

    Persian and Hindi are written with joiners between letters; anywhere else they would hide that
    two names are not equal.
    """
    return all(
        character.isprintable() or (character in _JOINERS and _is_between_letters(name, place))
        for place, character in enumerate(name)
    )


def slug(name: str) -> str:
    """Write *name* in a-z, 0-9 and hyphens; empty if it has none of them (李小龍)."""
    return re.sub(r"[^a-z0-9]+", "-", likeness(name)).strip("-")


def free_ids(name: str) -> Iterator[str]:
    """Name ids for somebody in the order of preference: ada-lovelace, ada-lovelace-2, ….

    There is no end to them: whoever takes them stops at the first that is free.
    """
    stem = slug(name)[:_MAX_STEM].strip("-") or "person"
    yield stem
    for number in count(2):
        yield f"{stem}-{number}"


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


def _is_between_letters(name: str, place: int) -> bool:
    """Tell whether letters or marks of a script other than plain Latin are on both sides."""
    before, after = name[max(place - 1, 0) : place], name[place + 1 : place + 2]
    return all(
        not side.isascii() and unicodedata.category(side)[0] in "LM" for side in (before, after)
    )
