"""What the functions of the video chain are told by their environment."""

from dataclasses import dataclass

from cloud.environment import check_range
from cloud.settings import RecognitionSettings
from cloud.videos.sampling import Sampling

MAX_VIDEO_MB = 10_000  # what fits into a function's /tmp, with room
MAX_DAYS = 3650

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """One field a variable: `input_bucket` is `SIGHTLINE_INPUT_BUCKET`."""

    input_bucket: str
    stage_bucket: str
    output_bucket: str
    videos_table: str
    video_queue_url: str
    video_sampling: str = "every:0.5"
    max_video_mb: int = 5000
    video_days: int = 30

    def __post_init__(self) -> None:
        check_range("max_video_mb", self.max_video_mb, 1, MAX_VIDEO_MB, "MB")
        check_range("video_days", self.video_days, 1, MAX_DAYS, "days")
        Sampling.parse(self.video_sampling)

    @property
    def sampling(self) -> Sampling:
        """Which stills to take, unless the upload says otherwise."""
        return Sampling.parse(self.video_sampling)

    @property
    def max_bytes(self) -> int:
        """The size of the largest video."""
        return self.max_video_mb * _MB


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecognitionSettings(RecognitionSettings):
    """One field a variable; those of the recognition too."""

    stage_bucket: str
    output_bucket: str
    videos_table: str
    split_function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """One field a variable."""

    stage_bucket: str
    output_bucket: str
    videos_table: str
    sightings_table: str
    stall_minutes: int = 15

    def __post_init__(self) -> None:
        check_range("stall_minutes", self.stall_minutes, 1, 24 * 60, "minutes")
