import hashlib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from device.network.frame_store import FolderStore, checksum
from device.network.s3_bucket import refusal
from sightline.errors import ConfigError, TransportError

JPEG = b"\xff\xd8 a frame"
SHA256 = hashlib.sha256(JPEG).hexdigest()
KEY = "frames/front-door/2026/11/21/a.jpg"


def test_a_folder_keeps_a_frame_under_its_key(tmp_path: Path) -> None:
    FolderStore(tmp_path).put(KEY, JPEG, SHA256)

    assert (tmp_path / KEY).read_bytes() == JPEG
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["a.jpg"]


def test_the_first_upload_of_a_key_stays(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(KEY, JPEG, SHA256)
    store.put(KEY, b"other", hashlib.sha256(b"other").hexdigest())

    assert (tmp_path / KEY).read_bytes() == JPEG


def test_a_frame_damaged_on_its_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="SHA-256"):
        FolderStore(tmp_path).put(KEY, JPEG[:-1], SHA256)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "frames").write_text("a file where the folder should be")

    with pytest.raises(TransportError, match="cannot be written"):
        FolderStore(tmp_path).put(KEY, JPEG, SHA256)


def test_a_checksum_is_written_as_s3_wants_it() -> None:
    assert checksum("00" * 32) == "A" * 43 + "="


def error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchBucket", 404, ConfigError),
        ("AccessDenied", 403, ConfigError),
        ("RequestTimeTooSkewed", 403, TransportError),
        ("ConditionalRequestConflict", 409, TransportError),
        ("SlowDown", 503, TransportError),
        ("", 500, TransportError),
    ],
)
def test_s3s_answer_is_turned_into_who_can_mend_it(code: str, status: int, kind: type) -> None:
    problem = refusal(error(code, status), "media")

    assert type(problem) is kind
    assert "media" in str(problem)


def test_a_frame_that_is_there_already_is_no_error() -> None:
    assert refusal(error("PreconditionFailed", 412), "media") is None
