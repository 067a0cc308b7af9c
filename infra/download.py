"""Downloading a file that is known by its digest."""

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from sightline.errors import ModelError, TransportError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if it is known

TIMEOUT_S = 30.0  # for the connection, and for each piece
_PIECE = 1 << 20


def download(url: str, path: Path, *, sha256: str, progress: Progress) -> None:
    """Fetch *url* into *path*, at once or not at all; a file of that digest is left alone.

    Raises:
        TransportError: There is no network, or the server refuses.
        ModelError: What came is another file, or *path* cannot be written.
    """
    if _is(path, sha256):
        return
    part = path.with_name(path.name + ".part")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,  # noqa: S310 - a constant
            part.open("wb") as file,
        ):
            length = answer.headers.get("Content-Length")
            total, done = int(length) if length else None, 0
            while piece := answer.read(_PIECE):
                file.write(piece)
                digest.update(piece)
                done += len(piece)
                progress(done, total)
        if total is not None and done < total:
            raise TransportError(f"{url} ended after {done} of {total} bytes")
        if digest.hexdigest() != sha256:
            raise ModelError(
                f"{url} is not the file it was: its SHA-256 is {digest.hexdigest()}, not {sha256}"
            )
        part.replace(path)
    except urllib.error.HTTPError as err:
        raise TransportError(f"{url} answered {err.code} {err.reason}") from err
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as err:
        raise TransportError(f"{url} is out of reach: {getattr(err, 'reason', err)}") from err
    except OSError as err:
        raise ModelError(f"{path} cannot be written: {err.strerror}") from err
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
