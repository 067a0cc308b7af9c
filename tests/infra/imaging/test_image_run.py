"""The container's files in a folder, and the handlers run from it with nothing else on the path.

There is no docker in the tests. What is not the container's here: its base image (this machine's
interpreter and C library instead) and its user.
"""

import contextlib
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud.sightings_table import SightingsTable
from infra import image, template
from infra.imaging import tree as image_tree
from infra.imaging.layout import CODE, COMMANDS, ENGINE, MOST_MB, PACKAGES, Layout
from infra.imaging.run import ContainerRun, deployed_environment, frame_event
from infra.packaging import PROJECT
from infra.target import Target
from sightline.errors import ConfigError, ModelError
from sightline.faces.cache import cache_folder
from sightline.keys import frame_key, new_frame_id

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="the container is Linux's")

PORTRAIT = PROJECT / "tests" / "data" / "grace-hopper.jpg"
RECOGNIZE = "cloud.recognize.handler"

# What Debian's slim Python image has of its own: the C library, and what Python itself needs.
BASE_LIBRARIES = re.compile(
    r"linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+|z|resolv)[.-]"
)

# Nothing answers there: who asks AWS while it starts is refused at once.
NOWHERE = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",  # pragma: allowlist secret
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The container with dlib, for this machine: 10 s, or a minute where pip's cache is empty."""
    folder = tmp_path_factory.mktemp("image")
    yield image.assemble(folder, engine="dlib", engine_folder=cache_folder(), say=lambda _: None)
    shutil.rmtree(folder)  # pytest keeps three runs, and each is 350 MB


@pytest.fixture(scope="session")
def video_layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The container that takes videos apart."""
    folder = tmp_path_factory.mktemp("video")
    yield image.assemble_video(folder, say=lambda _: None)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sandbox(layout: Layout) -> list[str]:
    """A command before another, which then sees what it would on Lambda; none if that takes root.

    The container is read-only, and /sys lists no processors.
    """
    script = (
        "mount -t tmpfs none /sys/devices/system/cpu;"
        ' mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    )
    new = str(layout.place(CODE) / "new")
    for way in (["--mount"], ["--map-root-user", "--mount"]):
        command = ["unshare", *way, "sh", "-c", script, str(layout.root)]
        with contextlib.suppress(OSError):
            can, wrote = (
                subprocess.run([*command, *words], capture_output=True, check=False).returncode == 0
                for words in (["true"], ["touch", new])
            )
            assert not wrote
            if can:
                return command
    return []


def function_variables(name: str) -> dict[str, str]:
    """A function's environment as the template has it, with any text for what is referred to."""
    body = template.load()["Resources"][name]["Properties"]
    given = body.get("Environment", {}).get("Variables", {})
    defaults = {n: p.get("Default") for n, p in template.load()["Parameters"].items()}

    def text(value: Any) -> str:
        if not isinstance(value, dict):
            return str(value)
        default = defaults.get(value.get("Ref"))
        return "some-name" if default is None else str(default)

    return {name: text(value) for name, value in given.items()}


def handlers() -> dict[str, str]:
    """The template's functions: logical name, handler."""
    found = {}
    for name, body in template.load()["Resources"].items():
        if body["Type"] == "AWS::Lambda::Function":
            named = re.findall(r"'(cloud\.\w+\.\w+)'", repr(body["Properties"]))
            assert len(set(named)) == 1, f"{name}: {named}"
            found[name] = named[0]
    return found


def environment(layout: Layout, folder: Path, function: str = "Recognize") -> dict[str, str]:
    variables = function_variables(function)
    moved = {
        "SIGHTLINE_MODELS": str(layout.place(ENGINE)),
        "SIGHTLINE_GALLERY_FOLDER": str(folder),
    }
    return {**NOWHERE, **variables, **{k: v for k, v in moved.items() if k in variables}}


def state(root: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.stat().st_size,
        )
        for path in root.rglob("*")
    }


# ------------------------------------------------------------------ what is in it


def test_it_holds_the_pinned_packages_and_no_others(layout: Layout) -> None:
    found = {
        re.sub(r"[-_.]+", "-", path.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
        for path in layout.place(PACKAGES).glob("*.dist-info")
    }
    text = (PROJECT / "requirements" / "lambda.txt").read_text()

    assert found == set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def test_it_is_no_larger_than_it_may_be(layout: Layout) -> None:
    assert sum(layout.sizes.values()) / 1e6 <= MOST_MB


def test_it_holds_what_the_functions_are_and_nothing_of_the_rest(layout: Layout) -> None:
    code = {path.name for path in layout.place(CODE).iterdir()}

    assert {name for name in code if not name.endswith(".dist-info")} == {"cloud", "sightline"}
    assert [path.name for path in layout.place(ENGINE).iterdir()] == ["dlib-resnet-1.onnx"]
    names = {path.name for path in layout.root.rglob("*")}
    assert not names & {"torch", "pip", "setuptools", "tests", "infra", "device", "README.md"}
    assert not {name for name in names if name.endswith((".key", ".p12", ".pyi"))}


def test_a_stranger_may_read_all_and_write_nothing(layout: Layout) -> None:
    for path in layout.root.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode & 0o022 == 0, path
        assert mode & 0o044 == 0o044, path
        assert not path.is_dir() or mode & 0o011 == 0o011, path


def test_all_is_compiled_once_and_never_checked_again(layout: Layout) -> None:
    tag = sys.implementation.cache_tag
    sources = [
        *layout.place(CODE).rglob("*.py"),
        *(layout.place(PACKAGES) / "botocore").rglob("*.py"),
        *(layout.place(PACKAGES) / "numpy").glob("*.py"),
    ]

    assert len(sources) > 100
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, f"{source}: by a hash, which is not looked at"


def test_the_same_code_makes_the_same_layer(layout: Layout, tmp_path: Path) -> None:
    image_tree.code(tmp_path / "again")

    first, again = layout.place(CODE), tmp_path / "again"
    assert state(first) == state(again)
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(first)).read_bytes(), path


def test_libraries_need_nothing_that_the_base_image_has_not(layout: Layout) -> None:
    if shutil.which("ldd") is None:
        pytest.skip("there is no ldd")
    libraries = [path for path in layout.root.rglob("*.so*") if path.is_file()]
    missing = set()
    for start in range(0, len(libraries), 50):
        said = subprocess.run(
            ["ldd", *map(str, libraries[start : start + 50])],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for line in said.splitlines():
            name, _, where = line.strip().partition(" => ")
            within = where.startswith(str(layout.root)) or name.endswith(":")
            if not within and not BASE_LIBRARIES.match(Path(name.split(" ")[0]).name):
                missing.add(line.strip())

    assert len(libraries) > 50
    assert not missing - {"statically linked"}


def test_onnx_runtime_has_what_lets_it_be_imported_on_lambdas_arm64(layout: Layout) -> None:
    """Of older versions an import ends the process there, and no test here would show it.

    Lambda's /sys lists no processors, and on arm64 that was an error, logged before there was a
    logger (microsoft/onnxruntime issue 10038, mended by pull request 28230). This text is the
    mended one's.
    """
    (library,) = (layout.place(PACKAGES) / "onnxruntime" / "capi").glob("*pybind11_state*.so")

    assert b"onnxruntime warning: cpuinfo_initialize failed" in library.read_bytes()


# ------------------------------------------------------------------ it runs


OF_VIDEO = [*COMMANDS["video"]]


@pytest.mark.parametrize(
    ("function", "handler"),
    [each for each in sorted(handlers().items()) if each[1] not in OF_VIDEO],
)
def test_every_function_of_the_template_starts(
    layout: Layout, sandbox: list[str], tmp_path: Path, function: str, handler: str
) -> None:
    run = ContainerRun(
        layout,
        handler,
        environment(layout, tmp_path, function),
        folder=tmp_path,
        before=sandbox,
    )
    with run:
        assert run.start_error() is None, run.output
    assert "not ready" not in run.output


@pytest.mark.parametrize("handler", OF_VIDEO)
def test_the_function_that_takes_videos_apart_starts_from_its_own_image(
    video_layout: Layout, tmp_path: Path, handler: str
) -> None:
    (function,) = [name for name, each in handlers().items() if each == handler]
    variables = {**NOWHERE, **function_variables(function)}

    with ContainerRun(video_layout, handler, variables, folder=tmp_path) as run:
        assert run.start_error() is None, run.output
        # What it imports when the first video comes, too: nothing to do is nothing to fail at.
        outcome = run.invoke(b'{"Records": []}')
    assert outcome.error is None, run.output


def test_the_video_image_holds_a_decoder_and_no_networks(video_layout: Layout) -> None:
    packages = {path.name for path in video_layout.place(PACKAGES).iterdir()}

    assert {"av", "numpy", "PIL", "boto3", "awslambdaric"} <= packages
    assert not packages & {"onnxruntime", "cv2", "starlette"}
    assert not video_layout.place(ENGINE).exists()
    assert sum(video_layout.sizes.values()) / 1e6 <= MOST_MB / 2


@pytest.mark.parametrize("module", ["cloud.videos.film", "cloud.videos.still_jpeg"])
def test_a_film_can_be_read_with_nothing_else_on_the_path(
    video_layout: Layout, module: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import {module}"],
        env=video_layout.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_it_answers_a_frame_with_nothing_else_on_the_path_and_nothing_to_write_to(
    layout: Layout, sandbox: list[str], target: Target, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    frame = new_frame_id(now)
    key = frame_key("door", frame, now)
    bucket = target.output("MediaBucket")
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=PORTRAIT.read_bytes())
    before = state(layout.root)

    disk = tmp_path / "disk"
    disk.mkdir()
    variables = deployed_environment(target, layout, disk)
    with ContainerRun(layout, RECOGNIZE, variables, folder=tmp_path, before=sandbox) as run:
        assert run.start_error() is None, run.output
        outcome = run.invoke(frame_event("door", key))
    said = run.output

    assert outcome.error is None, said
    table = SightingsTable(target.client("dynamodb"), target.output("SightingsTable"))
    answer = table.find("door", frame)
    assert answer is not None, said
    assert [face.decision for face in answer.faces] == ["unknown"]
    assert answer.engine == "dlib-resnet@1"
    assert state(layout.root) == before
    assert {path.suffix for path in disk.iterdir()} <= {".gallery"}


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (PACKAGES / "awslambdaric", "awslambdaric"),
        (PACKAGES / "simplejson", "simplejson"),
        (PACKAGES / "cv2", "cv2"),
        (PACKAGES / "onnxruntime", "onnxruntime"),
        (PACKAGES / "PIL", "PIL"),
        (PACKAGES / "jmespath", "jmespath"),
        (CODE / "cloud" / "iot.py", "cloud.iot"),
        (CODE / "sightline" / "faces" / "models" / "pnet.onnx", "pnet.onnx"),
        (ENGINE / "dlib-resnet-1.onnx", "not installed"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_is_left_out_is_missed(layout: Layout, tmp_path: Path, gone: Path, said: str) -> None:
    lacking = without(layout, gone, tmp_path / "image")

    with ContainerRun(lacking, RECOGNIZE, environment(lacking, tmp_path)) as run:
        error = run.start_error()

    assert error is not None or "the function is not ready" in run.output
    assert said in f"{error} {run.output}"


def without(layout: Layout, gone: Any, root: Path) -> Layout:
    """The same container without a file or folder of it."""
    shutil.copytree(layout.root, root, copy_function=_link)
    lacking = Layout(root=root, engine=layout.engine, architecture=layout.architecture)
    path = lacking.place(gone)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return lacking


def _link(source: str, destination: str) -> None:
    Path(destination).hardlink_to(source)


# ------------------------------------------------------------------ it cannot be made


def test_an_engine_that_is_not_there_is_said_before_anything_is_installed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="engines add facenet"):
        image.assemble(
            tmp_path / "image", engine="facenet", engine_folder=tmp_path, say=lambda _: None
        )
    assert not (tmp_path / "image").exists()


def test_pips_own_words_are_handed_on() -> None:
    with pytest.raises(ConfigError, match=r"pip install: .*no-such-file.*then the same again"):
        image_tree.pip("install", "--requirement=no-such-file.txt")
