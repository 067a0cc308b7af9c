"""The log of results on the device's own disk."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device.answers.result_log import WAITING, ResultLog
from device.answers.results import REMEMBERED, Outcome
from sightline.errors import ConfigError
from sightline.messages import FrameRejected, encode
from tests.device.fakes import ADA, NOON, recognized

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def outcome(frame_id: str, *, new: bool = True, late: bool = False) -> Outcome:
    message = recognized(frame_id, ADA)
    return Outcome(
        message=message,
        payload=encode(message),
        received_at=NOON,
        new=new,
        key=None,
        stages_ms={},
        late=late,
        age_s=1.5,
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "log-test", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def opened(path: Path, max_bytes: int = 1_000_000, files: int = 3) -> ResultLog:
    return ResultLog(path, max_bytes=max_bytes, files=files)


def ids(path: Path) -> list[str]:
    return [json.loads(line)["frame_id"] for line in path.read_text().splitlines()]


def test_each_result_is_a_line_that_nobody_else_may_read(tmp_path: Path) -> None:
    path = tmp_path / "made" / "results.jsonl"
    with opened(path) as log:
        log.result(outcome("a"))
        log.result(outcome("b", late=True))
        lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert [line["frame_id"] for line in lines] == ["a", "b"]
    assert [(line["late"], line["age_s"]) for line in lines] == [(False, 1.5), (True, 1.5)]
    assert lines[0]["result"]["faces"][0]["person"]["name"] == "Ada Lovelace"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_theirs_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.touch(0o644)
    with opened(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_files_are_rotated_by_size_and_only_so_many_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path, max_bytes=2000) as log:
        for i in range(20):
            log.result(outcome(str(i)))

    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["results.jsonl", "results.jsonl.1", "results.jsonl.2"]
    assert all(each.stat().st_size <= 2000 for each in files)
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in files)
    kept = [each for file in reversed(files) for each in ids(file)]
    assert kept == [str(i) for i in range(20)][-len(kept) :]


def test_a_result_that_is_in_it_is_not_written_again_not_even_after_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path, max_bytes=2000) as log:
        for i in range(4):
            log.result(outcome(str(i)))
        log.result(outcome("3", new=False))
    with opened(path, max_bytes=2000) as log:
        assert log.ids() == ("0", "1", "2", "3")
        log.result(outcome("2", new=False))
        log.result(outcome("4", new=False))  # it came before, but the line was never written

    assert ids(path.with_name("results.jsonl.1")) + ids(path) == ["0", "1", "2", "3", "4"]


def test_a_half_line_of_a_power_cut_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path) as log:
        log.result(outcome("a"))
    with path.open("ab") as file:
        file.write(b'{"kind": "recognized", "frame_id": "half", \0\0\xff')
    with opened(path) as log:
        log.result(outcome("b"))

    lines = path.read_bytes().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["frame_id"] == "b"


def test_a_folder_that_cannot_be_written_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"\[results\] log .*cannot be written.*give a file"):
        opened(tmp_path / "file" / "results.jsonl")


def test_where_nobody_sees_it_end_results_wait_for_a_log_that_cannot_be_written_yet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "mount"
    folder.touch()  # no folder: there is no disk
    with ResultLog(folder / "results.jsonl", max_bytes=1_000_000, files=3, unattended=True) as log:
        assert "results are not logged" in (log.trouble() or "")
        assert log.ids() == ()
        log.result(outcome("a"))
        folder.unlink()
        log.result(outcome("b"))
        assert log.trouble() is None

    assert ids(folder / "results.jsonl") == ["a", "b"]
    assert caplog.text.count("results are not logged: ") == 1
    assert "logged again: 2 that waited, and 0 are lost" in caplog.text


def test_a_log_that_is_never_written_is_not_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "results.jsonl"
    with ResultLog(path, max_bytes=1_000_000, files=3, unattended=True):
        pass
    assert len(caplog.messages) == 1
    with ResultLog(path, max_bytes=1_000_000, files=3, unattended=True) as log:
        log.result(outcome("a"))
    assert caplog.messages[-1].startswith("1 results were not logged: ")


def test_on_a_disk_that_was_read_only_at_the_start_all_is_logged_once_it_is_not(
    small_disk: Path,
) -> None:
    path = small_disk / "results.jsonl"
    with opened(path) as log:
        log.result(outcome("a"))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ConfigError, match="Read-only file system"):
        opened(path)
    with ResultLog(path, max_bytes=1_000_000, files=3, unattended=True) as log:
        assert "Read-only file system" in (log.trouble() or "")
        assert log.ids() == ("a",)  # it can still be read
        log.result(outcome("a", new=False))
        log.result(outcome("b"))
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        log.result(outcome("c"))
        assert log.trouble() is None

    assert ids(path) == ["a", "b", "c"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(ConfigError):
        opened(tmp_path / "results.jsonl")
    assert not (tmp_path / "victim").exists()


def test_a_disk_that_fails_is_told_of_once_and_it_goes_on_when_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path) as log:
        log.result(outcome("a"))
        path.unlink()
        path.mkdir()  # something that cannot be written
        log.result(outcome("b"))
        log.result(outcome("c"))
        assert "results are not logged" in (log.trouble() or "")
        path.rmdir()
        log.result(outcome("b", new=False))  # it comes again, and waits only once
        log.result(outcome("d"))
        assert log.trouble() is None

    assert ids(path) == ["b", "c", "d"]
    assert caplog.text.count("results are not logged") == 1
    assert "logged again: 3 that waited, and 0 are lost" in caplog.text


def test_only_so_many_wait_for_a_disk_and_what_is_lost_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path, max_bytes=10**8) as log:
        path.unlink()
        path.mkdir()
        for i in range(WAITING + 3):
            log.result(outcome(str(i)))
        path.rmdir()
        log.result(outcome("last"))

    assert ids(path) == [*(str(i) for i in range(3, WAITING + 3)), "last"]
    assert "and 3 are lost" in caplog.text


def test_at_the_end_what_waits_is_tried_once_more_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path) as log:
        path.unlink()
        path.mkdir()
        log.result(outcome("a"))
        path.rmdir()
    assert ids(path) == ["a"]
    with opened(path) as log:
        path.unlink()
        path.mkdir()
        log.result(outcome("b"))
    assert "1 results were not logged: results are not logged: " in caplog.text


def test_what_does_not_fit_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    code = """
import resource, signal, sys
from pathlib import Path
from tests.device.answers.test_result_log import opened, outcome
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with opened(Path(sys.argv[1])) as log:
    log.result(outcome("a"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1]).stat().st_size + 100, -1))
    log.result(outcome("b"))
    assert log.trouble()
"""
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60, env=ENVIRONMENT)

    assert ids(path) == ["a"]


def test_after_logrotate_it_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with opened(path) as log:
        log.result(outcome("a"))
        path.rename(tmp_path / "elsewhere")
        log.result(outcome("b"))

    assert ids(path) == ["b"]


def test_rejections_without_a_frame_are_each_written(tmp_path: Path) -> None:
    message = FrameRejected(frame_id=None, device="d", reason="not_json", detail="x", key=None)
    path = tmp_path / "results.jsonl"
    with opened(path) as log:
        for _ in range(2):
            log.result(replace(outcome("a"), message=message, payload=encode(message)))

    assert ids(path) == [None, None]


def test_memory_stays_flat(tmp_path: Path) -> None:
    with opened(tmp_path / "results.jsonl", max_bytes=50_000) as log:
        for i in range(REMEMBERED + 50):
            log.result(outcome(str(i)))

        assert len(log.ids()) == REMEMBERED


def test_a_process_that_is_killed_has_lost_no_line_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    code = """
import sys
from pathlib import Path
from tests.device.answers.test_result_log import opened, outcome
with opened(Path(sys.argv[1])) as log:
    for i in range(10**6):
        log.result(outcome(str(i)))
        print(i, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait()
    process.stdout.close()

    written = set(ids(path))
    assert {line.strip() for line in acknowledged if line.endswith("\n")} <= written
