"""What a device of a fleet keeps of who it is: whole at any moment, and its own alone."""

import json
import stat
from pathlib import Path

import pytest

from device.joining.kept_identity import FOLDER, IdentityFolder, Kept, Pending, read, write_whole
from sightline.errors import ConfigError

FIRST = Pending(certificate_id="1" * 64, certificate="PEM 1", token="t1")
SECOND = Pending(certificate_id="2" * 64, certificate="PEM 2", token="t2")


@pytest.fixture
def folder(tmp_path: Path) -> IdentityFolder:
    (tmp_path / FOLDER).mkdir()
    return IdentityFolder(tmp_path / FOLDER)


def become(folder: IdentityFolder, pending: Pending, key: bytes) -> Kept:
    folder.keep_new_key(key)
    folder.keep_pending(pending)
    kept = folder.stage(pending, thing="cam-1", serial="abc")
    folder.commit(kept)
    return kept


def files(folder: IdentityFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_who_joined_is_who_it_was_given(folder: IdentityFolder) -> None:
    kept = become(folder, FIRST, b"key 1")

    assert folder.current() == kept
    assert read(folder.path.parent / "device.toml") == kept
    assert kept.certificate.read_text() == "PEM 1"
    assert kept.private_key.read_bytes() == b"key 1"
    assert files(folder) == {"current.json", "1" * 16 + ".pem", "1" * 16 + ".key"}


def test_who_has_not_joined_is_nobody(tmp_path: Path) -> None:
    assert read(tmp_path / "device.toml") is None


def test_keys_and_tokens_are_their_owners_alone(folder: IdentityFolder) -> None:
    folder.keep_new_key(b"key")
    folder.keep_pending(FIRST)
    kept = folder.stage(FIRST, thing="cam-1", serial="abc")

    assert mode(folder.path / "new.key") == 0o600
    assert mode(folder.path / "pending.json") == 0o600
    assert mode(kept.private_key) == 0o600
    assert mode(kept.certificate) == 0o644


def test_a_token_is_in_no_text_of_it() -> None:
    assert "t1" not in repr(FIRST)


def test_a_new_identity_takes_the_old_ones_place_and_its_key_is_gone(
    folder: IdentityFolder,
) -> None:
    old = become(folder, FIRST, b"key 1")

    new = become(folder, SECOND, b"key 2")

    assert folder.current() == new
    assert not old.private_key.exists()
    assert not old.certificate.exists()
    assert folder.new_key() is None


def test_until_it_is_committed_it_is_the_old_one(folder: IdentityFolder) -> None:
    old = become(folder, FIRST, b"key 1")
    folder.keep_new_key(b"key 2")
    folder.keep_pending(SECOND)
    folder.stage(SECOND, thing="cam-1", serial="abc")

    with folder.lock():
        assert folder.current() == old
        assert old.private_key.exists()
        assert folder.pending() == SECOND


@pytest.mark.parametrize("gone", [(), ("new.key",)])
def test_what_a_crash_left_after_the_commit_is_cleared_at_the_next_start(
    folder: IdentityFolder, gone: tuple[str, ...]
) -> None:
    kept = become(folder, FIRST, b"key 1")
    folder.keep_new_key(b"key 1")
    folder.keep_pending(FIRST)
    (folder.path / ("0" * 16 + ".key")).touch()
    (folder.path / ".new.key.new").touch()
    for name in gone:
        (folder.path / name).unlink()

    with folder.lock():
        assert files(folder) == {"current.json", kept.certificate.name, kept.private_key.name}


def test_a_certificate_without_its_key_is_not_under_way(folder: IdentityFolder) -> None:
    folder.keep_pending(FIRST)

    assert folder.pending() is None


def test_a_certificate_that_was_given_up_leaves_its_key(folder: IdentityFolder) -> None:
    folder.keep_new_key(b"key")
    folder.keep_pending(FIRST)
    folder.forget_pending()

    assert folder.pending() is None
    assert folder.new_key() == b"key"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "no JSON", json.dumps({"thing": "a/b", "certificate_id": "1"})]
)
def test_what_is_damaged_is_named_with_the_way_out(folder: IdentityFolder, text: str) -> None:
    (folder.path / "current.json").write_text(text)

    with pytest.raises(ConfigError, match=r"current\.json.*\./run serials release"):
        folder.current()


def test_a_second_agent_is_kept_out(folder: IdentityFolder) -> None:
    with (
        folder.lock(),
        pytest.raises(ConfigError, match="another agent"),
        IdentityFolder(folder.path).lock(),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(ConfigError, match="let the agent's user own the folder"),
        IdentityFolder(tmp_path / "file" / FOLDER).lock(),
    ):
        pass


def test_a_disk_that_is_full_leaves_what_was(folder: IdentityFolder) -> None:
    kept = become(folder, FIRST, b"key 1")

    def full(path: Path, data: bytes, mode: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space left"):
        become(IdentityFolder(folder.path, write=full), SECOND, b"key 2")
    assert folder.current() == kept


def test_a_file_is_written_whole_with_its_mode_whatever_lay_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o666)
    (tmp_path / ".key.new").write_text("of one that was killed")

    write_whole(path, b"new", 0o600)

    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
