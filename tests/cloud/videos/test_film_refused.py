"""What is no film, and files that would have another one read."""

import io
import socket
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cloud.videos.film import open_film
from sightline.errors import VideoError, VideoReason
from tests.cloud.videos.film_making import write_film, write_numbers, write_sound


def refusal(path: Path) -> tuple[VideoReason, str]:
    with pytest.raises(VideoError) as refused, open_film(path):
        pass
    assert "\n" not in str(refused.value)
    assert str(path) not in str(refused.value)
    return refused.value.reason, str(refused.value)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def picture(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 50)).save(data, kind)
    return data.getvalue()


def test_a_file_without_bytes_is_empty(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.mp4", b""))[0] == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"Dear all,\nplease find attached the video.\n" * 500,
        bytes(100_000),
        np.random.default_rng(3).bytes(300_000),
        b"\x00",
        b"%PDF-1.7\n" * 1000,
        b"PK\x03\x04" * 1000,
    ],
    ids=["text", "zeros", "noise", "one byte", "pdf", "zip"],
)
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refusal(written(tmp_path / "a.mp4", data))[0] == "not_a_video"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("name", ["a.mp4", "a.jpg", "a.mjpeg"])
def test_a_picture_is_no_video_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    reason, detail = refusal(written(tmp_path / name, picture(kind)))
    assert reason == "not_a_video"
    if kind != "WEBP":
        assert detail == f"it is a picture ({kind}), not a video"


def test_a_picture_in_the_container_of_a_video_is_none(tmp_path: Path) -> None:
    reason, detail = refusal(written(tmp_path / "a.mp4", picture("AVIF")))
    assert (reason, detail) == ("not_a_video", "it is a picture (HEIF), not a video")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "aac"),
        ("a.mov", "aac"),
        ("a.mkv", "libopus"),
        ("a.webm", "libopus"),
        ("a.ogg", "libopus"),
        ("a.mp3", "libmp3lame"),
        ("a.wav", "pcm_s16le"),
        ("a.flac", "flac"),
        ("a.ts", "aac"),
    ],
)
def test_sound_alone_is_said_to_be_that(tmp_path: Path, name: str, codec: str) -> None:
    path = write_sound(tmp_path / name, codec).rename(tmp_path / "b.mp4")
    assert refusal(path) == ("no_video_stream", "it has sound and no picture")


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song, path = write_sound(tmp_path / "song.m4a"), tmp_path / "covered.m4a"
    with av.open(str(song)) as source, av.open(str(path), "w", format="mp4") as output:
        sound = output.add_stream_from_template(source.streams.audio[0])
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        output.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                output.mux(packet)
    assert refusal(path)[0] == "no_video_stream"


def test_a_film_cut_off_before_its_index_is_refused_with_the_reason(tmp_path: Path) -> None:
    data = write_numbers(tmp_path / "a.mp4", 50).read_bytes()
    reason, detail = refusal(written(tmp_path / "b.mp4", data[: len(data) * 2 // 3]))
    assert reason == "not_a_video"
    assert "moov" in detail
    assert "cut off" in detail


@pytest.mark.parametrize(
    ("name", "how", "mark"),
    [
        ("a.mp4", {"muxing": {"movflags": "faststart"}}, b"mdat"),
        ("a.mp4", {"muxing": {"movflags": "frag_keyframe+empty_moov"}}, b"moof"),
        ("a.mkv", {}, b"\x1f\x43\xb6\x75"),  # its first cluster
        ("a.avi", {"codec": "mpeg4", "options": {}}, b"movi"),
    ],
)
def test_a_film_without_a_frame_is_refused(
    tmp_path: Path, name: str, how: dict[str, object], mark: bytes
) -> None:
    data = write_numbers(tmp_path / name, 20, **how).read_bytes()
    reason, _ = refusal(written(tmp_path / f"b-{name}", data[: data.index(mark) - 4]))
    assert reason == "no_frames"


def test_a_container_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.open()
        output.start_encoding()
    assert refusal(path)[0] == "not_a_video"


def test_larger_than_8k_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    black = [np.zeros((48, 64, 3), np.uint8)] * 2
    path = write_film(tmp_path / "a.avi", black, codec="rawvideo", options={})
    data = path.read_bytes()
    sizes = struct.pack("<ii", 64, 48), struct.pack("<ii", 16384, 16384)
    assert data.count(sizes[0]) == 2  # of the file, and of its stream
    path.write_bytes(data.replace(*sizes))
    reason, detail = refusal(path)
    assert reason == "unsupported"
    assert "8K" in detail


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    return listener


def playlists(target: str) -> dict[str, bytes]:
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="9">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    sdp = (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    return {
        "hls": hls.encode(),
        "dash": dash.encode(),
        "concat": f"ffconcat version 1.0\nfile '{target}'\n".encode(),
        "sdp": sdp.encode(),
    }


@pytest.mark.parametrize("kind", ["hls", "dash", "concat", "sdp"])
@pytest.mark.parametrize("ending", ["mp4", "m3u8", "mpd", "ffconcat", "sdp"])
@pytest.mark.parametrize("scheme", ["", "file:", "http:"])
def test_a_playlist_has_no_other_file_read(
    tmp_path: Path, kind: str, ending: str, scheme: str
) -> None:
    film = write_numbers(tmp_path / "film.ts", 10, container="mpegts")
    with listening() as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/film.ts"
        target = address if scheme == "http:" else f"{scheme}{film}"

        reason, _ = refusal(written(tmp_path / f"list.{ending}", playlists(target)[kind]))

        assert reason == "not_a_video"
        with pytest.raises(BlockingIOError):  # nobody has called
            listener.accept()
