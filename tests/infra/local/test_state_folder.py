import json
import stat
from pathlib import Path

import pytest

from infra.local import ports
from infra.local.state_folder import StateFolder
from sightline.errors import ConfigError


def test_a_folder_is_taken_once(tmp_path: Path) -> None:
    with StateFolder(tmp_path), pytest.raises(ConfigError, match=r"already running here \(pid \d+"):
        StateFolder(tmp_path).__enter__()


def test_a_folder_that_was_let_go_is_free(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        pass
    with StateFolder(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"cannot write to the state folder .*--state"):
        StateFolder(tmp_path / "file" / "state").__enter__()


def test_a_disk_without_room_is_said_so_and_the_folder_let_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"MB are left on the disk"):
        StateFolder(tmp_path, least_free_bytes=1 << 60).__enter__()
    with StateFolder(tmp_path):
        pass


def test_the_root_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        key = folder.root_key()
        again = folder.root_key()

    assert (key.key_id, key.secret) == (again.key_id, again.secret)
    assert stat.S_IMODE((tmp_path / "root.json").stat().st_mode) == 0o600
    assert key.secret not in repr(key)
    assert len(key.key_id) == 20


def test_a_damaged_root_key_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text(json.dumps(["no"]))

    with (
        StateFolder(tmp_path) as folder,
        pytest.raises(ConfigError, match=r"root\.json is damaged"),
    ):
        folder.root_key()


def test_a_port_in_use_is_named_with_the_option_that_changes_it() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} is in use .*--mqtt-port"):
            ports.claim(port, option="--mqtt-port")


def test_a_port_that_is_none_is_said_so() -> None:
    with pytest.raises(ConfigError, match="65535"):
        ports.claim(70_000, option="--mqtt-port")


def test_port_0_is_any_free_one() -> None:
    assert ports.claim(0, option="--x") > 1023
