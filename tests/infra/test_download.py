"""Downloads from a server in the test."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from infra.download import download
from sightline.errors import ModelError, TransportError

CONTENT = bytes(range(256)) * 9000  # more than two pieces
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/short" else CONTENT)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    Handler.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_file_is_fetched_and_progress_told(server: str, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = tmp_path / "new" / "weights.pt"

    download(f"{server}/it", path, sha256=DIGEST, progress=lambda *args: told.append(args))

    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_is_there_is_not_fetched_again(server: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(CONTENT)

    download(f"{server}/again", path, sha256=DIGEST, progress=lambda *_: None)

    assert "/again" not in Handler.asked


@pytest.mark.parametrize(
    ("what", "sha256", "error", "said"),
    [
        ("/absent", DIGEST, TransportError, "answered 404"),
        ("/short", DIGEST, TransportError, r"ended after 1000 of \d+ bytes|out of reach"),
        ("/it", "0" * 64, ModelError, f"its SHA-256 is {DIGEST}"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(
    server: str, tmp_path: Path, what: str, sha256: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        download(
            f"{server}{what}", tmp_path / "weights.pt", sha256=sha256, progress=lambda *_: None
        )

    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="out of reach"):
        download(
            "http://127.0.0.1:9/weights.pt",  # discard: nobody listens
            tmp_path / "weights.pt",
            sha256=DIGEST,
            progress=lambda *_: None,
        )


def test_a_folder_that_cannot_be_written_is_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ModelError, match="cannot be written"):
        download(
            f"{server}/it", tmp_path / "file" / "w.pt", sha256=DIGEST, progress=lambda *_: None
        )
