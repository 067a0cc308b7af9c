"""Which videos somebody means by the files and folders they name, and under which keys they go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cloud.videos.naming import fits, name_of
from cloud.videos.settings import MAX_VIDEO_MB
from infra.videos.result import MENDS
from sightline.errors import ConfigError

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".h264", ".m4v")  # what a folder stands for

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A file, and the key that it gets in the input bucket."""

    path: Path
    key: str

    def __post_init__(self) -> None:
        try:
            is_short = fits(self.key)
        except UnicodeEncodeError as err:
            raise ConfigError(f"{self.path!r}: its name is no Unicode; rename the file") from err
        if not is_short:
            raise ConfigError(f"{self.path}: its name is too long for S3; rename the file")

    @property
    def name(self) -> str:
        """What its results are called: the key without its ending."""
        return name_of(self.key)


def videos_of(paths: Sequence[Path]) -> tuple[VideoFile, ...]:
    """Give the videos that *paths* name, each once; a folder stands for those directly in it.

    The key is the file's name. Results are found by that without its ending, so a second file of
    the same name, with whatever ending, gets a number: `a.mov` after `a.mp4` goes as `a-2.mov`.

    Raises:
        ConfigError: Something is not there, or a folder has no videos.
    """
    files = dict.fromkeys(each for path in paths for each in _files_of(path))
    taken: set[str] = set()
    found = []
    for path in files:
        key = next(key for key in _keys(path) if name_of(key) not in taken)
        taken.add(name_of(key))
        found.append(VideoFile(path=path, key=key))
    return tuple(found)


def check_sizes(files: Sequence[VideoFile], max_mb: int) -> None:
    """Look whether the stack takes files so large, before hours are spent to upload them.

    Raises:
        ConfigError: It refuses one by its size, *max_mb* million bytes at most.
    """
    for file in files:
        size = file.path.stat().st_size
        if size > max_mb * _MB:
            raise ConfigError(
                f"{file.path}: it has {-(-size // _MB)} MB, and the stack takes {max_mb} at most; "
                + (MENDS["too_large"] if max_mb < MAX_VIDEO_MB else "cut it into pieces")
            )


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        inside = (each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        found = sorted(each for each in inside if each.is_file())
        if not found:
            endings = " ".join(SUFFIXES)
            raise ConfigError(f"{path}: there are no videos in this folder ({endings})")
        return found
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    if not path.is_file():
        raise ConfigError(f"{path}: it is neither a file nor a folder")
    return [path]


def _keys(path: Path) -> Iterator[str]:
    yield path.name
    stem = name_of(path.name)
    ending = path.name.removeprefix(stem)
    for number in count(2):
        yield f"{stem}-{number}{ending}"
