"""Which of several uploads under one name has its row, and so its outputs.

The later upload of a file takes the place of the earlier. But `a.mp4` and `a.srt` are two files
with one name: another file's upload gets the row only once it is known to be a film, and until
then leaves it alone. It does not matter in which order the uploads are looked at: of two films the
later has the row at last, and of a film and what is none, the film.
"""

from dataclasses import replace

from cloud.videos.video import Video

_ABOVE = "~"  # behind every character of an order


class TakenError(Exception):
    """Another file's upload has the name; only a film may take it. Never leaves this package."""


def follows(video: Video, before: Video) -> bool:
    """Tell whether the upload *video* takes the row from the upload *before*.

    Raises:
        TakenError: That depends on whether *video* is a film, which is not known yet.
    """
    if video.key == before.key:
        return video.order > before.order
    if video.film is None:
        raise TakenError
    return video.order > before.newest_film


def entered(video: Video, before: Video | None) -> Video:
    """Return *video* as it is entered in the place of *before*, with nothing done."""
    if before is None:
        return video
    is_late = video.order <= before.rank  # what has the row is newer, but no film
    return replace(
        video,
        revision=before.revision + 1,
        rank_above=before.rank + _ABOVE if is_late else "",
        film_before=before.newest_film,
        contested=before.contested or before.lease is not None,
        cleared=False,
        lease=None,
        outcome=None,
        reopened=False,
    )
