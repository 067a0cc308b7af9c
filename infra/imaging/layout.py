"""What the functions' containers consist of: the one description of them.

There are two, for no function needs both networks and a decoder of videos: `functions` runs all but
one, `video` the one that takes videos apart. `infra/lambda.Dockerfile` and `infra.image.assemble`
both follow this, and tests hold the Dockerfile's last stages against it. Standard library only,
since the Dockerfile's stages import it, too.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

Kind = Literal["functions", "video"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Architecture = Literal["arm64", "x86_64"]  # as Lambda calls them
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

# What a worker finds where, a layer of the image each: what seldom changes first, so that new code
# is all that a deployment pushes again.
PACKAGES = PurePosixPath("/opt/python")
ENGINE = PurePosixPath("/opt/sightline")  # where the template and cloud/settings.py look for it
CODE = PurePosixPath("/var/task")
PARTS: Mapping[str, PurePosixPath] = {"packages": PACKAGES, "engine": ENGINE, "code": CODE}
PARTS_OF: Mapping[Kind, Mapping[str, PurePosixPath]] = {
    "functions": PARTS,
    "video": {name: at for name, at in PARTS.items() if name != "engine"},
}

# No SIGHTLINE_…: it would be every function's, and one refuses what is no setting of its own.
ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": f"{CODE}:{PACKAGES}",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # it is compiled in the image, which cannot be written to
}
# No such user is in the base, nor needs to be; Lambda takes one of its own.
USER = "10001:10001"
ENTRYPOINT = ("python", "-m", "awslambdaric")
COMMANDS: Mapping[Kind, tuple[str]] = {  # the template's ImageConfig names another
    "functions": ("cloud.recognize.handler",),
    "video": ("cloud.split_video.handler",),
}

PYTHON = (3, 12)  # of the base image
MOST_MB = 400  # of all parts of either together


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A container's files, but for those of the base image, in a folder.

    Attributes:
        root: Stands for `/`.
        engine: Its name; empty where there is none.
        architecture: What the packages were built for.
        kind: Which of the containers it is.
        python: Major and minor version of the interpreter they were built for.
    """

    root: Path
    engine: str
    architecture: Architecture
    kind: Kind = "functions"
    python: tuple[int, int] = sys.version_info[:2]

    def place(self, path: PurePosixPath) -> Path:
        """Where a *path* of the container lies."""
        return self.root / path.relative_to("/")

    @property
    def environment(self) -> dict[str, str]:
        """The container's, with its paths as they are here."""
        moved = dict(ENVIRONMENT)
        moved["PYTHONPATH"] = f"{self.place(CODE)}:{self.place(PACKAGES)}"
        return moved

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of the files of each part."""
        return {
            name: sum(path.lstat().st_size for path in self.place(at).rglob("*") if path.is_file())
            for name, at in PARTS_OF[self.kind].items()
        }
