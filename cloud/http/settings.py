"""What the API's function is told by its environment; `cloud.environment.read` reads it."""

from dataclasses import dataclass

from cloud.environment import check_range
from cloud.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(Settings):
    """One field a variable: `input_bucket` is `SIGHTLINE_INPUT_BUCKET`."""

    input_bucket: str
    output_bucket: str
    videos_table: str
    keys_table: str
    requests_per_minute: int = 120  # of one key

    def __post_init__(self) -> None:
        Settings.__post_init__(self)  # `super` does not work in a class that was made with slots
        check_range("requests_per_minute", self.requests_per_minute, 1, 1_000_000, "requests")
