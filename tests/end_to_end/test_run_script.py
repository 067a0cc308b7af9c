"""`./run` itself, from a copy of it: what it sets up, hands on, and says when it cannot."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from infra.packaging import PROJECT

# What would make pip do otherwise than a new user's.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "SIGHTLINE_"))}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with `run` and the pins, and nothing set up."""
    folder = tmp_path / "check out"  # a blank in the path is not rare
    folder.mkdir()
    shutil.copy2(PROJECT / "run", folder)
    shutil.copytree(PROJECT / "requirements", folder / "requirements")
    return folder


def run(
    checkout: Path, *words: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [checkout / "run", *words],
        cwd=cwd,
        env={**_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def set_up(checkout: Path) -> None:
    """Make believe that both environments are installed; their Python says what it was given."""
    for name, pins in ((".venv", "dev.txt"), (".venv-ministack", "ministack.txt")):
        python = checkout / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nexit 7\n')
        python.chmod(0o755)
        with (checkout / "requirements" / pins).open("rb") as file:
            stamp = subprocess.run(["cksum"], stdin=file, capture_output=True, check=True).stdout
        (checkout / name / ".installed").write_bytes(stamp)


def test_without_a_python_it_says_which_is_needed_and_how_to_get_it(
    checkout: Path, tmp_path: Path
) -> None:
    for tool in ("sh", "dirname", "cat", "cksum", "grep", "id"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)

    done = run(checkout, "demo", PATH=str(tmp_path))

    assert done.returncode == 1
    assert "run: sightline needs Python 3.11 or newer; found none." in done.stderr
    assert "sudo apt install python3 python3-venv" in done.stderr
    assert "PYTHON=/path/to/python3 ./run" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("name", ["python3.9", "python 3 9"])
def test_a_python_that_is_too_old_is_named(checkout: Path, tmp_path: Path, name: str) -> None:
    old = tmp_path / name
    old.write_text("#!/bin/sh\nexit 1\n")  # its answer to `sys.version_info < (3, 11)`
    old.chmod(0o755)

    done = run(checkout, "test", PYTHON=str(old))

    assert done.returncode == 1
    assert f"run: PYTHON={old} is no Python 3.11 or newer." in done.stderr
    assert "leave PYTHON unset" in done.stderr


def test_an_installation_that_fails_says_what_failed_and_how_to_mend_it(checkout: Path) -> None:
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
        offline = run(checkout, "demo", PIP_INDEX_URL=index, PIP_RETRIES="0")
        again = run(checkout, "demo", PIP_NO_INDEX="1")

    for done in (offline, again):
        assert done.returncode == 1
        assert "run: installing requirements/ministack.txt failed" in done.stderr
        assert "ERROR: No matching distribution found for" in done.stderr
        assert "No network, or a proxy?" in done.stderr
        assert "Disk full?" in done.stderr
        assert "Traceback" not in done.stderr
        assert "packages into .venv-ministack" in done.stdout  # it said what it was about to do
    assert (checkout / ".setup.log").read_text()
    assert not (checkout / ".venv-ministack" / ".installed").exists()  # so it is tried again
    assert not (checkout / ".venv").exists()


def test_once_set_up_it_hands_its_words_on_as_they_are(checkout: Path, tmp_path: Path) -> None:
    set_up(checkout)

    done = run(checkout, "people", "add", "Grace Hopper", "a b.jpg", cwd=tmp_path)

    assert done.stdout.splitlines() == [
        str(checkout / ".venv" / "bin" / "python"),
        *("-m", "infra", "people", "add", "Grace Hopper", "a b.jpg"),
    ]
    assert done.returncode == 7  # the command's own status
    assert done.stderr == ""


def test_once_set_up_its_tests_are_pytests(checkout: Path) -> None:
    set_up(checkout)

    done = run(checkout, "test", "-q", "-k", "one or two")

    assert done.stdout.splitlines()[1:] == ["-m", "pytest", "-q", "-k", "one or two"]


def test_pins_that_have_changed_are_installed_anew(checkout: Path) -> None:
    set_up(checkout)
    pins = checkout / "requirements" / "ministack.txt"
    pins.write_text(pins.read_text() + "another==1.0\n")

    done = run(checkout, "people", "list")

    assert "packages into .venv-ministack" in done.stdout
    assert "-m\npip\ninstall" in (checkout / ".setup.log").read_text()
