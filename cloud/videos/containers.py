"""Opening a stranger's file as a video, and as nothing else.

FFmpeg reads hundreds of formats, among them playlists that name other files and addresses. Here it
gets a file object, a list of formats that hold their pictures themselves, and no way to open
anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import av
from av.container import InputContainer
from av.container.core import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from sightline.errors import VideoError

# As FFmpeg's demuxers are called. Left out on purpose: hls, dash, concat, sdp, imf and image2,
# which open what a text tells them to; pictures; and the formats of games of long ago.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,ivf,obu,nut,dv,"
    "h264,hevc,m4v,mpegvideo"
)
# Bytes of these have nothing at their head that says so, so FFmpeg takes them to be what they are
# likest to; if there is no picture in them, they were something else.
_GUESSED = frozenset({"h264", "hevc", "m4v", "mpegvideo", "mpeg", "mpegts", "obu", "dv", "ivf"})

MOST_PIXELS = 8192 * 4608  # 8K of any kind; a decoder holds 17 such frames and more, of 57 MB
_OPTIONS = {"max_pixels": str(MOST_PIXELS)}

_PICTURE_BRANDS = frozenset({"heic", "heix", "heim", "heis", "mif1", "avif", "jxl "})
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp"})
_PICTURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_CONTAINERS = (b"\x1aE\xdf\xa3", b"FLV", b"OggS", b"0&\xb2u")  # Matroska, Flash, Ogg, ASF
_SOUNDS = (b"ID3", b"fLaC", b"#!AMR", b"FORM", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A container, with the stream in it that is the video. Whoever has it closes it."""

    container: InputContainer
    stream: VideoStream
    file: IO[bytes]

    @property
    def format(self) -> str:
        """As FFmpeg calls the container."""
        return self.container.format.name

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the container says of itself."""
        return self.container.metadata

    @property
    def is_guessed(self) -> bool:
        """Whether only its pictures can tell that it is a video."""
        return self.format in _GUESSED

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()
        self.file.close()


def open_container(path: Path) -> Opened:
    """Open *path* and find the video in it.

    Raises:
        VideoError: It is empty, no video, a sound or a picture, or of a kind we cannot decode.
    """
    file = path.open("rb", buffering=0)  # FFmpeg has a buffer of its own
    try:
        head = file.read(16)
        file.seek(0)
        if not head:
            raise VideoError("the file has no bytes in it", reason="empty")
        container = _opened(file, head)
        try:
            return Opened(container=container, stream=_stream(container, head), file=file)
        except BaseException:
            container.close()
            raise
    except BaseException:
        file.close()
        raise


def _opened(file: IO[bytes], head: bytes) -> InputContainer:
    try:
        container = av.open(
            file,
            "r",
            options=_OPTIONS,
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
            metadata_errors="replace",
            buffer_size=1 << 16,
            io_open=_open_nothing,
        )
    except (av.FFmpegError, PermissionError) as err:
        raise _unreadable(head) from err
    # Else PyAV has FFmpeg invent times where a file has none, and for AVI it invents wrong ones.
    container.flags &= ~cast(int, Flags.gen_pts.value)
    return container


def _open_nothing(url: str, _flags: int, _options: object) -> IO[bytes]:
    raise PermissionError(f"a video may not open another file: {url[:200]}")


def _stream(container: InputContainer, head: bytes) -> VideoStream:
    if container.metadata.get("major_brand") in _PICTURE_BRANDS:
        raise VideoError("it is a picture (HEIF), not a video")
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [each for each in container.streams.video if not each.disposition & covers]
    if not streams and container.streams.audio:
        raise VideoError("it has sound and no picture", reason="no_video_stream")
    if not streams:
        raise _unreadable(head)
    decodable = [each for each in streams if each.codec_context is not None]
    if not decodable:
        raise VideoError(
            "its pictures are coded in a way that FFmpeg cannot decode", reason="unsupported"
        )
    stream = max(decodable, key=lambda each: each.width * each.height)
    if stream.width * stream.height > MOST_PIXELS:
        raise VideoError(
            f"its pictures have {stream.width}x{stream.height} px; 8K is the most we decode",
            reason="unsupported",
        )
    return stream


def _unreadable(head: bytes) -> VideoError:
    """Say what a file is that FFmpeg does not read, as far as its first bytes tell."""
    for magic, kind in _PICTURES.items():
        if head.startswith(magic):
            return VideoError(f"it is a picture ({kind}), not a video")
    if head.startswith(_SOUNDS) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return VideoError("it has sound and no picture", reason="no_video_stream")
    if head[4:8] in _BOXES:
        return VideoError(
            "its index (moov) is missing, damaged or empty: it was cut off while recorded or sent"
        )
    if head.startswith(_CONTAINERS) or (head.startswith(b"RIFF") and head[8:12] == b"AVI "):
        return VideoError(
            "it begins as a video does, and ends or is damaged before its first picture",
            reason="no_frames",
        )
    return VideoError("it is no video of a kind we know, such as MP4, MOV, MKV, WebM, AVI or .h264")
