"""What the functions of the video chain are told, and what they refuse to be told."""

import pytest

from cloud.environment import read
from cloud.videos.settings import SplitSettings, SweepSettings, VideoRecognitionSettings
from sightline.errors import ConfigError

SPLIT = {
    "SIGHTLINE_INPUT_BUCKET": "in",
    "SIGHTLINE_STAGE_BUCKET": "stage",
    "SIGHTLINE_OUTPUT_BUCKET": "out",
    "SIGHTLINE_VIDEOS_TABLE": "videos",
    "SIGHTLINE_VIDEO_QUEUE_URL": "https://queue",
}


def test_the_split_function_reads_its_settings() -> None:
    settings = read(SplitSettings, {**SPLIT, "SIGHTLINE_MAX_VIDEO_MB": "7"})

    assert settings.max_bytes == 7_000_000
    assert str(settings.sampling) == "every:0.5"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INPUT_BUCKET", ""),
        ("VIDEO_QUEUE_URL", ""),
        ("VIDEO_SAMPLING", "often"),
        ("MAX_VIDEO_MB", "10001"),
        ("MAX_VIDEO_MB", "0"),
        ("VIDEO_DAYS", "0"),
        ("PEOPLE_TABLE", "people"),
    ],
)
def test_wrong_settings_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        read(SplitSettings, {**SPLIT, f"SIGHTLINE_{name}": value})


def test_the_other_functions_read_theirs() -> None:
    tables = {f"SIGHTLINE_{name}_TABLE": name for name in ("PEOPLE", "FACES", "META", "SIGHTINGS")}
    others = {name: SPLIT[name] for name in list(SPLIT)[1:4]}

    recognize = read(
        VideoRecognitionSettings, {**tables, **others, "SIGHTLINE_SPLIT_FUNCTION": "split"}
    )
    sweep = read(
        SweepSettings,
        {**others, "SIGHTLINE_SIGHTINGS_TABLE": "s", "SIGHTLINE_STALL_MINUTES": "1"},
    )

    assert (recognize.split_function, recognize.engine) == ("split", "dlib")
    assert sweep.stall_minutes == 1
    with pytest.raises(ConfigError):
        SweepSettings(
            stage_bucket="s",
            output_bucket="o",
            videos_table="v",
            sightings_table="s",
            stall_minutes=0,
        )
