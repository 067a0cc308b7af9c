"""The command line as its users have it: `./run`, its exit statuses, and what it leaves behind."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer.main

from infra.cli import app, main
from infra.packaging import PROJECT
from tests.end_to_end.actors import Finished, eventually, one_line, run_command
from tests.listeners import listeners

RUN = PROJECT / "run"
DATA = PROJECT / "tests" / "data"
ANY_PORTS = [
    word
    for name in ("gateway", "mqtt", "credentials", "lambda", "http")
    for word in (f"--{name}-port", "0")
]


class Up:
    """`./run up` in a process of its own, in a folder of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._out, self._err = state.with_suffix(".out"), state.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [RUN, "--state", state, "up", *ANY_PORTS], stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.err
            return "photo.jpg" in self.out  # the end of its last line

        eventually("stack that is up", ready, deadline_s=120)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()

    def command(self, *words: str | Path) -> Finished:
        return run_command(self.state, *words)

    def start(self, *words: str | Path) -> "subprocess.Popen[str]":
        return _start(self.state, *words)

    @property
    def facts(self) -> dict[str, object]:
        facts: dict[str, object] = json.loads((self.state / "stack.json").read_text())
        return facts

    def processes(self) -> dict[int, str]:
        """Command lines, by pid, of all that works on the folder."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            except OSError:
                continue
            if words[0] and any(os.fsencode(self.state) in each for each in words):
                found[int(folder.name)] = words[0].replace(b"\0", b" ").decode()
        return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack as `./run up` starts it; no test of those that share it may stop it."""
    up = Up(tmp_path_factory.mktemp("up") / "state")
    try:
        up.wait_until_ready()
        yield up
    finally:
        up.close()


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
stack = pytest.mark.stack


@stack
def test_up_says_that_it_is_ready_and_what_comes_next(up: Up) -> None:
    first, http, clients, last = up.out.splitlines()

    assert first == f"up, state in {up.state}; Ctrl-C stops it"
    [url] = re.findall(r"HTTP at (\S+) - ./run keys add makes a key", http)
    with urllib.request.urlopen(f"{url}/v1/health") as health:  # noqa: S310 - of this machine
        assert health.status == 200
    assert "./run env" in clients
    assert "./run people add 'Your Name' photo.jpg" in last
    assert "Traceback" not in up.err


@stack
@linux
def test_nothing_of_it_can_be_reached_from_another_machine(up: Up) -> None:
    found = listeners(up.processes())

    assert len(found) >= 4  # gateway, MQTT, credentials, functions
    assert {address for address, _ in found} == {"0100007F"}


@stack
def test_a_second_up_on_the_same_folder_says_who_is_there(up: Up) -> None:
    second = up.command("up", *ANY_PORTS)

    assert second.status == 2
    line = one_line(second.err)
    assert f"a stack is already running here (pid {up.process.pid}), on {up.state}" in line
    assert "Ctrl-C" in line
    assert "--state" in line
    assert up.command("people", "list").status == 0  # and the first one goes on


@stack
def test_listen_and_publish_see_each_other(up: Up) -> None:
    payload = {"key": "frames/nobody/1.jpg", "note": "Grüße"}
    wanted = ("listen", "sightline/v1/porch/+", "--json", "--count", "2", "--seconds", "60")
    with up.start(*wanted) as listening:
        try:
            assert listening.stderr is not None
            assert any("listening to sightline/v1/porch/+" in line for line in listening.stderr)
            published = up.command("publish", "sightline/v1/porch/frames", json.dumps(payload))
            out, _ = listening.communicate(timeout=60)
        finally:
            listening.kill()

    assert published.status == 0, published.err
    assert one_line(published.err).endswith("bytes to sightline/v1/porch/frames")
    assert listening.returncode == 0
    sent, answer = sorted(map(json.loads, out.splitlines()), key=lambda m: m["topic"], reverse=True)
    if sent["topic"] != "sightline/v1/porch/frames":
        sent, answer = answer, sent
    assert sent["payload"] == payload
    assert sent["retained"] is False
    assert answer["topic"] == "sightline/v1/porch/errors"
    assert answer["payload"]["reason"] == "foreign_key"


@stack
def test_publish_refuses_what_is_not_json_unless_told(up: Up) -> None:
    refused = up.command("publish", "sightline/v1/porch/frames", "{key: 1}")

    assert refused.status == 2
    assert "the message is not JSON" in one_line(refused.err)
    assert "--raw" in refused.err
    assert up.command("publish", "sightline/v1/porch/frames", "{key: 1}", "--raw").status == 0


@stack
def test_publish_to_a_topic_that_is_none_of_an_operators_says_so(up: Up) -> None:
    refused = up.command("publish", "sightline/v1/porch/results", "{}")

    assert refused.status == 2
    assert "refuses a publish to 'sightline/v1/porch/results'" in one_line(refused.err)


@stack
def test_put_sends_a_picture_and_says_where_the_answer_comes(up: Up) -> None:
    added = up.command("people", "add", "Grace Hopper", DATA / "grace-hopper.jpg")
    assert added.status == 0, added.err
    wanted = ("listen", "sightline/v1/hall/results", "--json", "--count", "1", "--seconds", "60")
    with up.start(*wanted) as listening:
        try:
            assert listening.stderr is not None
            assert any("listening" in line for line in listening.stderr)
            put = up.command("put", "hall", DATA / "grace-hopper.jpg")
            out, _ = listening.communicate(timeout=60)
        finally:
            listening.kill()

    assert put.status == 0, put.err
    assert "published a reference to frames/hall/" in put.err
    assert "sightline/v1/hall/results or sightline/v1/hall/errors" in put.err
    (face,) = json.loads(out)["payload"]["faces"]
    assert face["person"]["name"] == "Grace Hopper"


@stack
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("put", "hall", "/nowhere/photo.jpg"), "/nowhere/photo.jpg cannot be read"),
        (("put", "hall", str(DATA / "grace-hopper.jpg"), "--name", "../../x.jpg"), "is no key of"),
        (("put", "no such/thing", str(DATA / "grace-hopper.jpg")), "no such/thing"),
        (("publish", "sightline/+/frames", "{}"), "sightline/+/frames: "),
        (("people", "show", "nobody"), "nobody"),
        (("people", "add-folder", "/nowhere"), "/nowhere"),
        (("deprovision", "nothing"), "there is no thing nothing"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    up: Up, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    status = main(["--state", str(up.state), *words])

    assert status == 2
    assert said in one_line(capsys.readouterr().err)


@stack
def test_a_filter_that_is_none_is_named(up: Up, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--state", str(up.state), "listen", "#/x", "--seconds", "1"]) == 2

    assert "#/x: " in capsys.readouterr().err.splitlines()[-1]


@stack
def test_provision_makes_a_folder_once_with_the_modes_it_needs(up: Up, tmp_path: Path) -> None:
    folder = tmp_path / "certs" / "front-door"
    first = up.command("provision", "front-door", "--out", folder, "--camera", "usb:0")
    key = (folder / "private.key").read_bytes()
    second = up.command("provision", "front-door", "--out", folder)

    assert first.status == 0, first.err
    assert f"./run agent {folder}" in first.err
    assert _mode(folder) == 0o700
    assert {path.name: _mode(path) for path in folder.iterdir()} == {
        "private.key": 0o600,
        "certificate.pem": 0o644,
        "ca.pem": 0o644,
        "device.toml": 0o644,
    }
    assert second.status == 2
    assert f"{folder} is there already" in one_line(second.err)
    assert "./run rotate" in second.err
    assert (folder / "private.key").read_bytes() == key


MISSPELT = {
    ("interval_s", "intervall_s"): "[frames] intervall_s: no such key; did you mean 'interval_s'?",
    ("[frames]", "[fotos]"): "fotos: no such key",
    ("thing =", "things ="): "things: no such key; did you mean 'thing'?",
    ("jpeg_quality = 85", 'jpeg_quality = "high"'): "[frames] jpeg_quality: expected a whole",
    ("width = 1280", "width = "): "is not TOML",
}


@stack
def test_an_error_in_device_toml_is_named_with_file_and_key(up: Up, tmp_path: Path) -> None:
    folder = tmp_path / "misspelt"
    assert up.command("provision", "misspelt", "--out", folder).status == 0
    text = (folder / "device.toml").read_text()
    started = []
    for number, ((old, new), said) in enumerate(MISSPELT.items()):
        assert old in text
        copy = shutil.copytree(folder, tmp_path / str(number))
        (copy / "device.toml").write_text(text.replace(old, new))
        started.append((copy / "device.toml", said, up.start("agent", copy)))

    for settings, said, process in started:
        done = _finish(process)
        assert done.status == 2
        assert f"{settings}: " in one_line(done.err)
        assert said in done.err


@stack
@linux
def test_ctrl_c_stops_all_that_up_started(tmp_path: Path) -> None:
    up = Up(tmp_path / "state")
    try:
        up.wait_until_ready()
        before, ports = up.processes(), {port for _, port in listeners(up.processes())}
        status = up.stop(signal.SIGINT)
    finally:
        up.close()

    assert len(before) >= 4  # itself, MiniStack and two workers
    assert status == 0
    assert up.processes() == {}
    assert all(map(is_free, ports))
    assert "Traceback" not in up.err
    assert "stopping" in up.err
    assert not (up.state / "stack.json").exists()
    gone = up.command("people", "list")
    assert (gone.status, one_line(gone.err)) == (
        2,
        f"sightline: no stack is running on {up.state}; start one with ./run up",
    )


@stack
@linux
def test_a_kill_of_up_leaves_nothing_running_and_the_folder_free(tmp_path: Path) -> None:
    up = Up(tmp_path / "state")
    try:
        up.wait_until_ready()
        ports = {port for _, port in listeners(up.processes())}
        up.stop(signal.SIGKILL)
        eventually("end of all its processes", lambda: up.processes() == {}, deadline_s=20)
        assert all(map(is_free, ports))
        dead = up.command("people", "list")
        assert dead.status == 2
        assert "has died; start it again with ./run up" in one_line(dead.err)
        again = Up(tmp_path / "state")
        try:
            again.wait_until_ready()
            assert again.command("people", "list").status == 0
            assert again.stop(signal.SIGTERM) == 0
        finally:
            again.close()
    finally:
        up.close()


@stack
def test_a_port_in_use_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = []
        for which in ("gateway", "mqtt", "credentials", "lambda"):
            words = list(ANY_PORTS)
            words[words.index(f"--{which}-port") + 1] = str(port)
            started.append((which, _start(tmp_path / which, "up", *words)))

        for which, process in started:
            done = _finish(process)
            assert done.status == 2
            line = one_line(done.err)
            assert f"port {port} is in use" in line
            assert f"--{which}-port" in line


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state in (tmp_path / "file" / "state", Path("/proc/sightline")):  # root, too, fails there
        done = run_command(state, "up", *ANY_PORTS)

        assert done.status == 2
        line = one_line(done.err)
        assert f"cannot write to the state folder {state}" in line
        assert "--state" in line


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """Mount a file system of that size, where we may; else give False."""
    folder.mkdir()
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "sightline-test", folder]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


@linux
def test_a_disk_without_room_for_the_state_is_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with small_disk(folder, 8) as mounted:
        if mounted:
            done = run_command(folder / "state", "up", *ANY_PORTS)
        else:  # who may not mount has a disk on which no file can grow
            done = _up_where_no_file_can_grow(folder / "state")

    assert done.status == 2
    line = one_line(done.err)
    assert str(folder / "state") in line
    assert "--state" in line


def test_a_disk_that_is_full_to_the_last_byte_is_said_so(tmp_path: Path) -> None:
    done = _up_where_no_file_can_grow(tmp_path / "state")

    assert done.status == 2
    line = one_line(done.err)
    assert f"cannot write to the state folder {tmp_path / 'state'}" in line
    assert "--state" in line


def _up_where_no_file_can_grow(state: Path) -> Finished:
    """Run `up` in a process whose every write to a file fails, as on a full disk."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "sys.dont_write_bytecode = True; "
        "from infra.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--state", state, "up", *ANY_PORTS],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Finished(status=done.returncode, out=done.stdout, err=done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("people", "list"),
        ("people", "add", "Grace Hopper", str(DATA / "grace-hopper.jpg")),
        ("listen",),
        ("publish", "sightline/v1/door/frames", "{}"),
        ("put", "door", str(DATA / "grace-hopper.jpg")),
        ("provision", "door"),
        ("deprovision", "door"),
    ],
)
def test_without_a_stack_a_command_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status = main(["--state", str(tmp_path / "state"), *words])

    assert status == 2
    line = one_line(capsys.readouterr().err)
    assert line == (
        f"sightline: no stack is running on {tmp_path / 'state'}; start one with ./run up"
    )


def _commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, *path, name)


COMMANDS = list(_commands(typer.main.get_command(app)))
LEAVES = [path for path in COMMANDS if not any(p[: len(path)] == path != p for p in COMMANDS)]


@pytest.mark.parametrize("path", [p for p in COMMANDS if p != ("agent",)], ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status = main([*path, "--help"])

    said = capsys.readouterr()
    assert status == 0
    assert "Usage" in said.out
    assert len(said.out.split()) > 15  # it says what it does, too
    if path in LEAVES:
        assert "./run " in said.out.partition("Usage")[2].partition("\n")[2]  # an example
    assert said.err == ""


def test_the_help_of_the_agent_is_the_agents_own() -> None:
    done = run_command(Path("unused"), "agent", "--help")

    assert done.status == 0
    assert "--camera SOURCE" in done.out
    assert "picamera2" in done.out


def test_all_the_commands_that_the_readme_needs_are_there() -> None:
    assert {path[0] for path in COMMANDS if path} >= {
        *("agent", "demo", "up", "deploy", "destroy", "provision", "deprovision"),
        *("people", "listen", "publish", "put", "bench"),
    }
    assert {path[1] for path in COMMANDS if path[:1] == ("people",) and path[1:]} >= {
        *("add", "add-folder", "import", "list", "show", "remove"),
    }


@pytest.mark.parametrize(
    "words", [("poeple",), ("people", "ad"), ("up", "--workers", "0"), ("put", "door"), ("--what",)]
)
def test_wrong_usage_exits_with_2_and_names_the_word(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(list(words))

    said = capsys.readouterr().err
    assert status == 2
    assert "Usage" in said
    assert "Traceback" not in said


@stack
def test_a_broker_out_of_reach_exits_with_1(up: Up, tmp_path: Path) -> None:
    """Others' faults are 1, so that a script can try again."""
    state = tmp_path / "state"
    assert up.command("publish", "sightline/v1/door/commands", "{}").status == 0
    shutil.copytree(up.state / "operator", state / "operator")
    facts = up.facts
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        facts["mqtt_port"] = closed.getsockname()[1]
        (state / "stack.json").write_text(json.dumps(facts))

        done = run_command(state, "publish", "sightline/v1/door/frames", "{}")

    assert done.status == 1
    assert done.err.splitlines()[-1].endswith("is the stack up?")
    assert "Traceback" not in done.err


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _start(state: Path, *words: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "infra", "--state", state, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def _finish(process: "subprocess.Popen[str]") -> Finished:
    with process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return Finished(status=process.returncode, out=out, err=err)
