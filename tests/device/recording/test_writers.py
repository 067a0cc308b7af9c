from pathlib import Path

import av
import numpy as np
import pytest

from device.recording.av_writer import KEY_S, AvWriter
from device.recording.pi_writer import PiWriter
from device.recording.settings import RecordingSettings
from tests.device.fakes import image
from tests.device.recording.film import (
    BEGUN_S,
    frame,
    number_in,
    open_av,
    packets,
    play,
)


def boxes(path: Path) -> list[str]:
    """The names of a file's outermost boxes."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def write(path: Path, times: list[float], until_s: float | None = None) -> None:
    units = [frame(number) for number in range(len(times))]
    shown = [
        type(each)(data=each.data, at=each.at, at_s=BEGUN_S + at_s, size=each.size, form=each.form)
        for each, at_s in zip(units, times, strict=True)
    ]
    writer = open_av(path, shown[0])
    for each in shown:
        writer.write(each)
    writer.close(None if until_s is None else BEGUN_S + until_s)


def test_a_segment_is_what_every_player_takes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write(path, [0.0, 0.1, 0.2])

    assert sorted(boxes(path)) == ["free", "ftyp", "mdat", "moov"]  # plain: no fragments
    assert path.stat().st_mode & 0o777 == 0o600
    with av.open(str(path)) as video:
        (stream,) = video.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert next(video.demux(stream)).is_keyframe


def test_the_cameras_own_rate_is_kept_however_it_varies(tmp_path: Path) -> None:
    times = [0.0, 0.033, 0.1, 0.4, 0.41, 1.7]
    write(tmp_path / "a.mp4", times)

    shown = play(tmp_path / "a.mp4")
    assert [float(at) for at, _ in shown] == pytest.approx(times, abs=1e-4)
    assert [number_in(each) for _, each in shown] == list(range(6))


@pytest.mark.parametrize(("until_s", "lasts_s"), [(0.5, 0.5), (None, 0.3), (0.05, 0.3)])
def test_the_last_frame_is_shown_until_the_next_segment(
    tmp_path: Path, until_s: float | None, lasts_s: float
) -> None:
    write(tmp_path / "a.mp4", [0.0, 0.1, 0.2], until_s)

    with av.open(str(tmp_path / "a.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(lasts_s, abs=1e-3)


def test_frames_of_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [0.0, 0.1, 0.1, 0.05, 0.2])

    assert [number_in(each) for _, each in play(tmp_path / "a.mp4")] == [0, 1, 2, 3, 4]


def test_a_long_segment_can_be_jumped_about_in(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [number / 10 for number in range(100)])

    with av.open(str(tmp_path / "a.mp4")) as video:
        keys = [
            float(packet.pts * packet.time_base)
            for packet in video.demux(video=0)
            if packet.is_keyframe and packet.pts is not None and packet.time_base is not None
        ]
    assert keys == pytest.approx([0.0, KEY_S, 2 * KEY_S, 3 * KEY_S, 4 * KEY_S], abs=1e-3)


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ((64, 48), (64, 48)),
        ((65, 49), (64, 48)),
        ((1, 1), (2, 2)),
        ((3, 2), (2, 2)),
        ((2560, 1440), (1280, 720)),
        ((720, 1281), (404, 720)),
    ],
)
def test_sizes_that_h264_cannot_have_are_cropped_and_large_ones_shrunk(
    tmp_path: Path, given: tuple[int, int], recorded: tuple[int, int]
) -> None:
    first = frame(0, image=image(90, *given))
    writer = open_av(tmp_path / "a.mp4", first)
    writer.write(first)
    writer.close(None)

    ((_, shown),) = play(tmp_path / "a.mp4")
    assert (shown.shape[1], shown.shape[0]) == recorded
    assert abs(shown.astype(int) - 90).max() < 8


def test_colours_are_as_the_camera_gave_them(tmp_path: Path) -> None:
    colours = np.zeros((48, 96, 3), np.uint8)
    for column, colour in enumerate(((200, 30, 30), (30, 200, 30), (30, 30, 200))):
        colours[:, column * 32 : (column + 1) * 32] = colour
    settings = RecordingSettings(crf=12)
    first = frame(0, image=colours)
    writer = AvWriter(tmp_path / "a.mp4", first, settings)
    writer.write(first)
    writer.close(None)

    ((_, shown),) = play(tmp_path / "a.mp4")
    inner = [slice(column * 32 + 8, column * 32 + 24) for column in range(3)]
    for each in inner:
        assert np.abs(shown[8:40, each].astype(int) - colours[8:40, each]).max() < 14


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("somebody's")

    with pytest.raises(FileExistsError):
        open_av(tmp_path / "a.mp4", frame(0))
    assert (tmp_path / "a.mp4").read_text() == "somebody's"


def test_packets_of_the_pis_encoder_are_kept_as_they_are(tmp_path: Path) -> None:
    given = list(packets(30))
    writer = PiWriter(tmp_path / "a.mp4", given[0])
    for each in given:
        writer.write(each)
    writer.close(BEGUN_S + 1)

    shown = play(tmp_path / "a.mp4")
    assert [number_in(each) for _, each in shown] == list(range(30))
    assert [float(at) for at, _ in shown] == pytest.approx([n / 30 for n in range(30)], abs=1e-4)
    with av.open(str(tmp_path / "a.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        keys = [packet.is_keyframe for packet in video.demux(stream) if packet.size]
        assert [number for number, key in enumerate(keys) if key] == [0, 15]
    assert sorted(boxes(tmp_path / "a.mp4")) == ["free", "ftyp", "mdat", "moov"]


def test_what_is_no_h264_is_an_error_that_the_recorder_knows(tmp_path: Path) -> None:
    (good,) = packets(1)
    bad = type(good)(data=b"no H.264", at=good.at, at_s=good.at_s, size=8)

    with pytest.raises(OSError, match="FFmpeg"):
        PiWriter(tmp_path / "a.mp4", bad)
    assert list(tmp_path.iterdir()) == []
