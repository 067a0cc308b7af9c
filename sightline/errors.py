"""Every error this project raises, named after who can mend it.

SightlineError
├── ConfigError     the operator: a setting, a file or a command is missing or wrong
├── MessageError    the peer: it sent, or we were about to send, an invalid message
├── ImageError      whoever took the picture: it cannot be read as an image
├── VideoError      whoever made the video: it cannot be read as one
├── ModelError      the builder: a network's file is missing or not what it should be
├── CameraError     the supervisor: there will be no more frames; restart the agent
└── TransportError  nobody yet: a service is out of reach, so try again later
    └── MissingError    what was asked for is not there (yet)
"""

from typing import Literal

UnreadableReason = Literal["too_large", "not_an_image", "unsupported_format"]
VideoReason = Literal[
    "empty", "not_a_video", "no_video_stream", "no_frames", "too_large", "gone", "unsupported"
]


class SightlineError(Exception):
    """Base of all errors below; catch it only at the edge of a program."""


class ConfigError(SightlineError):
    """A setting, a file or a command is missing or wrong; the text says how to mend it."""


class MessageError(SightlineError, ValueError):
    """A message breaks the contract.

    Attributes:
        reason: The contract's word for it: the payload is no JSON at all, or a field is wrong.
    """

    def __init__(self, detail: str, *, reason: Literal["not_json", "bad_field"] = "bad_field"):
        super().__init__(detail)
        self.reason: Literal["not_json", "bad_field"] = reason


class ImageError(SightlineError, ValueError):
    """Bytes cannot be read as an image.

    Attributes:
        reason: The contract's word for it.
    """

    def __init__(self, detail: str, *, reason: UnreadableReason = "not_an_image"):
        super().__init__(detail)
        self.reason: UnreadableReason = reason


class VideoError(SightlineError, ValueError):
    """A file cannot be read as a video.

    Attributes:
        reason: What is wrong with it, in a word that a program can act on.
    """

    def __init__(self, detail: str, *, reason: VideoReason = "not_a_video"):
        super().__init__(detail)
        self.reason: VideoReason = reason


class ModelError(SightlineError):
    """A network's file is missing, damaged or of another kind."""


class CameraError(SightlineError):
    """The camera is missing or has stopped giving frames."""


class TransportError(SightlineError, ConnectionError):
    """A service could not be reached, or did not acknowledge in time."""


class MissingError(TransportError):
    """What was asked for is not there (yet)."""
