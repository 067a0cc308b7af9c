"""botocore's tables, as far as a camera's client of S3 needs them: 9 MB less of a Pi's memory.

botocore keeps where each of 400 services is in each region: 7 MB of Python objects, of which a
client of S3 uses nothing, as S3's own rules (`endpoint-rule-set-1.json`) come after them. Of the
hundred operations of S3 and their shapes, which take most of the rest, we use a few.
"""

from collections.abc import Iterator
from typing import Any

from botocore.loaders import Loader

# A partition that any region is of. It is used for nothing but the region's name: the rules know
# the partitions, and give the host, the region and the name to sign for.
_ANYWHERE = {
    "version": 3,
    "partitions": [
        {
            "partition": "aws",
            "dnsSuffix": "amazonaws.com",
            "regionRegex": ".*",
            "regions": {},
            "services": {},
            "defaults": {
                "hostname": "{service}.{region}.{dnsSuffix}",
                "protocols": ["https"],
                "signatureVersions": ["s3v4"],
            },
        }
    ],
}

_OPERATIONS = (
    "PutObject",
    "HeadBucket",  # botocore's own, to find a bucket that is in another region
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
)


class S3Tables(Loader):  # type: ignore[misc]
    """A `data_loader` for a botocore session, whose clients must be given a region."""

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """See `Loader.load_data_with_path`."""
        if name == "endpoints":
            return _ANYWHERE, f"{self.BUILTIN_DATA_PATH}/endpoints.json"
        data, path = super().load_data_with_path(name)
        if name.endswith("/service-2"):
            shapes = data["shapes"]
            data["operations"] = {each: data["operations"][each] for each in _OPERATIONS}
            data["shapes"] = {each: shapes[each] for each in _named(data["operations"], shapes)}
        return data, path


def _named(operations: Any, shapes: dict[str, Any]) -> set[str]:
    """Find the shapes that *operations* name, and those that these name in turn."""
    found: set[str] = set()
    left = set(_names(operations))
    while left:
        found |= left
        left = {each for name in left for each in _names(shapes[name])} - found
    return found


def _names(part: Any) -> Iterator[str]:
    """Find the names of shapes in a part of the model."""
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict) and isinstance(part.get("shape"), str):
        yield part["shape"]
    for each in inside:
        yield from _names(each)
