"""The functions' containers: put together without Docker, or built with it.

Both ways follow `infra.imaging.layout`, by the same code: `infra/lambda.Dockerfile` runs what
`assemble` calls.
"""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from infra.imaging import tree as image_tree
from infra.imaging.layout import CODE, ENGINE, PACKAGES, Architecture, Kind, Layout
from infra.packaging import PROJECT
from sightline.errors import ConfigError

DOCKERFILE = Path(__file__).with_name("lambda.Dockerfile")
EXPORTED = ("dlib", "facenet")  # by the Dockerfile itself; the others are made on people's photos

Say = Callable[[str], None]

_PLATFORMS: Mapping[Architecture, str] = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}
_MACHINES: Mapping[str, Architecture] = {
    "aarch64": "arm64",
    "arm64": "arm64",
    "amd64": "x86_64",
    "x86_64": "x86_64",
}
# What an image is made of, besides the sources of the functions.
_COMMON = (
    ".dockerignore",
    "LICENSE",
    "pyproject.toml",
    "infra/__init__.py",
    "infra/imaging/__init__.py",
    "infra/imaging/layout.py",
    "infra/imaging/tree.py",
    "infra/lambda.Dockerfile",
    "requirements/lambda-build.txt",
)
_INGREDIENTS: Mapping[Kind, tuple[str, ...]] = {
    "functions": (
        *_COMMON,
        "infra/download.py",
        "infra/imaging/engine.py",
        "requirements/lambda-engine.txt",
        "requirements/lambda-facenet.txt",
        "requirements/lambda.txt",
    ),
    "video": (*_COMMON, "requirements/lambda-video.txt"),
}
_FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "functions": (*image_tree.FUNCTION_FOLDERS, "infra/export"),
    "video": image_tree.FUNCTION_FOLDERS,
}
_DIGITS = 20  # of a digest that names a tag
_ANSWER_S = 20.0  # docker waits for its daemon for ever


def assemble(
    folder: Path,
    *,
    engine: str,
    engine_folder: Path,
    say: Say,
    architecture: Architecture | None = None,
) -> Layout:
    """Put the container's files into *folder*, as the Dockerfile does, for this interpreter.

    Args:
        folder: Empty, or not there yet.
        engine: Its name.
        engine_folder: Holds the engine; dlib's is made in it if it is missing.
        say: Told what happens.
        architecture: None: this machine's. Another's can be weighed, but not run here.

    Raises:
        ConfigError: It cannot be made; the text says why.
        ModelError: The engine is not there; the text says how to add it.
    """
    architecture = architecture or this_architecture()
    expect_empty(folder)
    from infra.imaging.engine import copy_engine  # brings ONNX Runtime

    layout = Layout(root=folder.absolute(), engine=engine, architecture=architecture)
    copy_engine(engine, engine_folder, layout.place(ENGINE))
    say(f"packages for {architecture}, about 350 MB …")
    image_tree.packages(layout.place(PACKAGES), architecture)
    say("the functions' code …")
    image_tree.code(layout.place(CODE))
    return layout


def assemble_video(folder: Path, *, say: Say, architecture: Architecture | None = None) -> Layout:
    """Put the files of the container that takes videos apart into *folder*.

    Args:
        folder: Empty, or not there yet.
        say: Told what happens.
        architecture: None: this machine's.

    Raises:
        ConfigError: It cannot be made; the text says why.
    """
    architecture = architecture or this_architecture()
    expect_empty(folder)
    layout = Layout(root=folder.absolute(), engine="", architecture=architecture, kind="video")
    say(f"packages of the video function for {architecture}, about 190 MB …")
    image_tree.packages(layout.place(PACKAGES), architecture, "video")
    image_tree.code(layout.place(CODE))
    return layout


def build(
    *,
    engine: str,
    architecture: Architecture,
    tag: str,
    say: Say,
    kind: Kind = "functions",
    engine_folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Build an image and leave it with docker, as *tag*.

    Args:
        engine: Its name; of no account for `video`.
        architecture: Lambda's, whatever this machine's is.
        tag: Such as `sightline:dlib`.
        say: Told what happens.
        kind: Which image.
        engine_folder: Holds the engine; None: it is exported in the build.
        environ: For docker.

    Raises:
        ConfigError: Docker is missing, its daemon is down, or it fails; the text has the mend.
        ModelError: The engine is not there.
    """
    reason = docker_available(environ)
    if reason is not None:
        raise ConfigError(reason)
    arguments = {
        "--file": str(DOCKERFILE),
        "--platform": _PLATFORMS[architecture],
        "--target": kind,
        "--tag": tag,
        "--progress": "plain",
    }
    command = ["docker", "buildx", "build", "--load"]
    # Lambda refuses the index that attestations make of an image.
    command += ["--provenance=false", "--sbom=false"]
    command += [f"{name}={value}" for name, value in arguments.items()]
    if kind == "functions":
        command += _engine_arguments(engine, engine_folder)
    say(f"building {tag} for {architecture} …")
    _follow([*command, str(PROJECT)], environ, say)


def _engine_arguments(engine: str, engine_folder: Path | None) -> list[str]:
    chosen = f"--build-arg=ENGINE={engine}"
    if engine_folder is None and engine in EXPORTED:
        return [chosen, f"--build-arg=ENGINE_FROM={engine}"]
    folder = _with_engine(engine, engine_folder)
    return [chosen, "--build-arg=ENGINE_FROM=given", f"--build-context=engines={folder}"]


def docker_available(environ: Mapping[str, str] = os.environ) -> str | None:
    """Whether an image can be built here: None, or why not and what to do."""
    if shutil.which("docker", path=environ.get("PATH")) is None:
        return (
            "docker is not installed: install Docker Engine or Docker Desktop, or give images that"
            " were built elsewhere with --image-uri and --video-image-uri"
        )
    said = _ask(["docker", "version", "--format", "{{.Server.Version}}"], environ)
    if said is not None:
        if "permission denied" in said.lower():
            return (
                "you may not use docker's daemon: sudo usermod -aG docker $USER, and log in again"
            )
        return f"docker's daemon does not answer; start it (sudo systemctl start docker): {said}"
    if _ask(["docker", "buildx", "version"], environ) is not None:
        return "docker has no buildx: install the package docker-buildx-plugin (or docker-buildx)"
    return None


def digest_of_sources(
    engine: str, engine_folder: Path | None = None, *, kind: Kind = "functions"
) -> str:
    """Name an image by what it is made of: the same sources need no second build.

    Of an engine that is given, its own digest counts, too; the image of `video` has none. The
    architecture is not in it.

    Raises:
        ConfigError: A source is missing.
        ModelError: The engine is not there.
    """
    digest = hashlib.sha256(f"{engine if kind == 'functions' else kind}\n".encode())
    if kind == "functions" and (engine_folder is not None or engine not in EXPORTED):
        from sightline.faces.engines import engine_card

        card = engine_card(engine, _with_engine(engine, engine_folder))
        digest.update(f"{card.digest}\n".encode())
    try:
        for path in sources(kind=kind):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(PROJECT).as_posix()} {content}\n".encode())
    except OSError as err:
        raise ConfigError(f"{err.filename} is missing: the image is built from a checkout") from err
    return digest.hexdigest()[:_DIGITS]


def sources(project: Path = PROJECT, *, kind: Kind = "functions") -> Iterator[Path]:
    """Every file that an image is made of."""
    yield from (project / name for name in _INGREDIENTS[kind])
    for folder in _FOLDERS[kind]:
        for path in sorted((project / folder).rglob("*")):
            parts = path.relative_to(project).parts
            hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
            if path.is_file() and not hidden and path.suffix != ".pyc":
                yield path


def image_tag(
    engine: str,
    architecture: Architecture,
    engine_folder: Path | None = None,
    *,
    kind: Kind = "functions",
) -> str:
    """Name the image of these sources in its repository: what `digest_of_sources` raises, too."""
    name = engine if kind == "functions" else kind
    return f"{name}-{architecture}-{digest_of_sources(engine, engine_folder, kind=kind)}"


@functools.cache
def this_architecture() -> Architecture:
    """This machine's, as Lambda calls it.

    Raises:
        ConfigError: Lambda has no such processor.
    """
    machine = platform.machine()
    if machine.lower() not in _MACHINES:
        raise ConfigError(f"Lambda has no {machine} processors: --architecture arm64 or x86_64")
    return _MACHINES[machine.lower()]


def expect_empty(folder: Path) -> None:
    """See that nothing lies in *folder*, or that it is not there.

    Raises:
        ConfigError: Something does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder; give another, or remove it first")


def _with_engine(engine: str, folder: Path | None) -> Path:
    """The folder that holds the engine: seen to before docker is asked for anything."""
    from sightline.faces.cache import cache_folder
    from sightline.faces.engines import prepare_engine

    return prepare_engine(engine, folder or cache_folder()).parent


def _ask(command: list[str], environ: Mapping[str, str]) -> str | None:
    """None if it succeeds, else the last thing it says."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environ, timeout=_ANSWER_S
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {_ANSWER_S:g} s"
    except OSError as err:
        return f"cannot run {command[0]}: {err.strerror}"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


def _follow(command: list[str], environ: Mapping[str, str], say: Say) -> None:
    """Run the build, tell its steps, and keep the last lines for when it fails.

    Raises:
        ConfigError: It fails.
    """
    last: deque[str] = deque(maxlen=3)
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
        ) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe
            for line in process.stdout:
                text = line.partition(" ")[2].strip() if line.startswith("#") else line.strip()
                if text.startswith("[") and "] " in text:
                    say(f"  {text[:100]}")  # a step begins: "[packages 3/4] RUN …"
                elif text and set(text) != {"-"}:
                    last.append(text)
    except OSError as err:
        raise ConfigError(f"cannot run {command[0]}: {err.strerror}") from err
    if process.returncode != 0:
        raise ConfigError(f"docker could not build the image: {' '.join(last)[-400:]}")
