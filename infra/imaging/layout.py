"""What the functions' container consists of: the one description of it.

`infra/lambda.Dockerfile` and `infra.image.assemble` both follow it, and tests hold the Dockerfile's
last stage against it. Standard library only, since the Dockerfile's stages import it, too.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

Architecture = Literal["arm64", "x86_64"]  # as Lambda calls them
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

# What a worker finds where, a layer of the image each: what seldom changes first, so that new code
# is all that a deployment pushes again.
PACKAGES = PurePosixPath("/opt/python")
ENGINE = PurePosixPath("/opt/sightline")  # where the template and cloud/settings.py look for it
CODE = PurePosixPath("/var/task")
PARTS: Mapping[str, PurePosixPath] = {"packages": PACKAGES, "engine": ENGINE, "code": CODE}

# No SIGHTLINE_…: it would be every function's, and one refuses what is no setting of its own.
ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": f"{CODE}:{PACKAGES}",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # it is compiled in the image, which cannot be written to
}
# No such user is in the base, nor needs to be; Lambda takes one of its own.
USER = "10001:10001"
ENTRYPOINT = ("python", "-m", "awslambdaric")
COMMAND = ("cloud.recognize.handler",)  # the template's ImageConfig names another

PYTHON = (3, 12)  # of the base image
MOST_MB = 400  # of all parts together


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The container's files, but for those of the base image, in a folder.

    Attributes:
        root: Stands for `/`.
        engine: Its name.
        architecture: What the packages were built for.
        python: Major and minor version of the interpreter they were built for.
    """

    root: Path
    engine: str
    architecture: Architecture
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
            for name, at in PARTS.items()
        }
