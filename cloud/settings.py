"""What the functions that recognise are told by their environment (`infra/template.yaml` sets it).

`cloud.environment.read` reads them.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cloud.environment import check_given, check_range

MAX_SIGHTING_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionSettings:
    """What every function needs that recognises faces, wherever its frames come from."""

    people_table: str
    faces_table: str
    sightings_table: str
    meta_table: str
    engine: str = "dlib"
    sighting_days: int = 90
    smallest_face_px: int = 40  # the side of the smallest face looked for
    longest_side_px: int = 1280  # a JPEG at least twice as long is looked at reduced
    threads: int = 1  # of each network
    models: Path = field(default=Path("/opt/sightline"))
    gallery_folder: Path | None = None  # where a copy of the gallery is kept for the next process

    def __post_init__(self) -> None:
        check_given("engine", self.engine)
        check_range("sighting_days", self.sighting_days, 1, MAX_SIGHTING_DAYS, "days")
        # `sightline.faces.detector` looks for no smaller face, and Pillow opens no larger JPEG;
        # neither is imported, since they would make this slow.
        check_range("smallest_face_px", self.smallest_face_px, 12, 1000, "px")
        check_range("longest_side_px", self.longest_side_px, 320, 65500, "px")
        check_range("threads", self.threads, 1, 16, "threads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(RecognitionSettings):
    """What `cloud.recognize` is told."""

    media_bucket: str
    iot_endpoint: str = ""  # host or URL; empty: boto3's own, AWS_ENDPOINT_URL included
    stack: str = ""  # the name that metrics go under; empty: none are written

    @property
    def iot_url(self) -> str | None:
        """The data endpoint's URL; None leaves it to boto3."""
        if not self.iot_endpoint or "://" in self.iot_endpoint:
            return self.iot_endpoint or None
        return f"https://{self.iot_endpoint}"
