"""Fill the parts of the functions' containers that pip can: packages, and our own code.

    python -m infra.imaging.tree packages --of video --architecture arm64 FOLDER
    python -m infra.imaging.tree code FOLDER

Stages of `infra/lambda.Dockerfile` run this, and `infra.image.assemble` calls it: so there is one
way to make the tree. Nothing of the other architecture is ever run, so no emulator is needed. It
needs pip and the standard library alone.
"""

import argparse
import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.imaging.layout import ARCHITECTURES, KINDS, Architecture, Kind
from sightline.errors import ConfigError

PROJECT = Path(__file__).parents[2]
REQUIREMENTS: Mapping[Kind, Path] = {
    "functions": PROJECT / "requirements" / "lambda.txt",
    "video": PROJECT / "requirements" / "lambda-video.txt",
}
BUILD_REQUIREMENTS = PROJECT / "requirements" / "lambda-build.txt"
FUNCTION_FOLDERS = ("cloud", "sightline")

_MACHINES: Mapping[Architecture, str] = {"arm64": "aarch64", "x86_64": "x86_64"}
_OLDEST_GLIBC, _NEWEST_GLIBC = 17, 36  # Debian 12, the base image, has 2.36

# What no function imports: tests and type stubs of packages, C headers, and console scripts, whose
# first line names an interpreter that is not in the image.
_NEEDLESS_FOLDERS = ("tests", "bin", "include")
_NEEDLESS_SUFFIXES = frozenset({".a", ".c", ".h", ".hpp", ".pxd", ".pyi", ".pyx"})
# And what is for making networks and extensions, not for running them.
_NEEDLESS_PACKAGES = (
    "numpy/f2py",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
# Of the four hundred services that botocore describes, 23 MB of JSON, those that the functions have
# clients for, and sts, which some ways to get credentials use. A test reads the clients off cloud/.
SERVICES = ("dynamodb", "iot", "iot-data", "lambda", "s3", "sqs", "sts")

_MOMENT = 315_532_800  # 1980, where zip files begin: the same files make the same layer


def packages(folder: Path, architecture: Architecture, kind: Kind = "functions") -> None:
    """Install the pinned packages into *folder*, of wheels alone, checked by their hashes.

    They are for an interpreter of this one's version, whatever it runs on.

    Raises:
        ConfigError: pip cannot; the text ends with what it said last.
    """
    machine = _MACHINES[architecture]
    tags = [f"manylinux_2_{n}_{machine}" for n in range(_OLDEST_GLIBC, _NEWEST_GLIBC + 1)]
    wanted = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
    python = "{}.{}".format(*sys.version_info[:2])
    wanted += ["--implementation=cp", f"--python-version={python}"]
    chosen = [f"--target={folder}", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    pip("install", *chosen, *wanted, f"--requirement={REQUIREMENTS[kind]}")
    for path in list(_needless(folder)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    _finish(folder)


def code(folder: Path, project: Path = PROJECT) -> None:
    """Make a wheel of what the functions are, and install it into *folder*.

    Raises:
        ConfigError: pip cannot; the text ends with what it said last.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-wheel-") as name:
        scratch = Path(name)
        tools, sources = scratch / "tools", scratch / "sources"
        pip(
            "install",
            *(f"--target={tools}", "--no-deps", "--only-binary=:all:", "--require-hashes"),
            f"--requirement={BUILD_REQUIREMENTS}",
        )
        _copy_sources(project, sources)
        build = ["--no-deps", "--no-index", "--no-build-isolation", f"--wheel-dir={scratch}"]
        pip("wheel", *build, str(sources), PYTHONPATH=str(tools), SOURCE_DATE_EPOCH=str(_MOMENT))
        (wheel,) = scratch.glob("*.whl")
        # Unzipped, as pip does, but for a note on where the wheel lay: another path at every build.
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    _finish(folder)


def pip(command: str, *arguments: str, **environment: str) -> None:
    """Run this interpreter's pip.

    Raises:
        ConfigError: It is not there, or fails.
    """
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    if command == "install":
        quiet.append("--no-compile")  # done once for all, in a form that is never checked
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *quiet, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        raise ConfigError(f"pip {command}: {_reason(done.stderr)}")


def _reason(said: str) -> str:
    if "No module named pip" in said:
        return f"{sys.executable} has no pip: {sys.executable} -m ensurepip"
    lines = [line.strip() for line in said.splitlines()]
    errors = [line for line in lines if line.startswith(("ERROR", "error", "OSError"))] or lines
    text = " ".join(errors[-2:])[-400:] or "it failed, and said nothing"
    return f"{text}. See that 'pip download six' works and the disk has room, then the same again"


def _copy_sources(project: Path, into: Path) -> None:
    into.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(project / name, into)
    (into / "README.md").touch()  # its text is no reason to push the code again
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for name in FUNCTION_FOLDERS:
        shutil.copytree(project / name, into / name, ignore=unwanted)


def _needless(folder: Path) -> Iterator[Path]:
    """What to take out; nothing twice, nor what lies in another."""
    gone = {path for name in _NEEDLESS_PACKAGES if (path := folder / name).is_dir()}
    described = folder / "botocore" / "data"
    gone |= {path for path in described.glob("*/") if path.name not in SERVICES}
    for path in folder.rglob("*"):
        if path.name in _NEEDLESS_FOLDERS if path.is_dir() else path.suffix in _NEEDLESS_SUFFIXES:
            gone.add(path)
    yield from (path for path in sorted(gone) if not gone & set(path.parents))


def _finish(folder: Path) -> None:
    """Compile, and give all files the time and the rights that every build gives them.

    A worker could not keep what it compiled, and would do so at every start. By default Python
    compares a file's time with the compiled one's, and a container's files may get another.
    """
    compileall.compile_dir(
        folder,
        quiet=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(folder),
    )
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)  # Lambda runs as a stranger
            os.utime(path, (_MOMENT, _MOMENT))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one part; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.imaging.tree", description=__doc__)
    parser.add_argument("part", choices=["packages", "code"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of", choices=KINDS, default="functions")
    # Docker's TARGETARCH says amd64 for what Lambda calls x86_64.
    parser.add_argument("--architecture", choices=[*ARCHITECTURES, "amd64"], default="x86_64")
    args = parser.parse_args(arguments)
    try:
        if args.part == "code":
            code(args.folder)
        else:
            machine: Architecture = "arm64" if args.architecture == "arm64" else "x86_64"
            packages(args.folder, machine, args.of)
    except ConfigError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
