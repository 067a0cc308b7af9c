"""What the work here needs of `sightline.faces`, as ports: networks take seconds to load."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # who only looks people up should not wait for OpenCV and ONNX Runtime
    from sightline.faces.image import Frame
    from sightline.faces.recognizer import Sight


class Recognizer(Protocol):
    """Finds and embeds faces; `sightline.faces.recognizer.Recognizer` does it for real."""

    def see(self, frame: "Frame") -> "Sight":
        """Find every face in *frame*, and embed those that are good enough."""
        ...


class EngineFacts(Protocol):
    """What must be known of an engine to compare its embeddings; see `engines.Engine`."""

    @property
    def id(self) -> str:
        """Name and version, such as `dlib-resnet@1`."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        ...

    @property
    def threshold(self) -> float:
        """Nearer than this may be the same person."""
        ...

    @property
    def margin(self) -> float:
        """How much farther the next person must be."""
        ...

    @property
    def doubt(self) -> float:
        """How far beyond the threshold a face is still not surely somebody else's."""
        ...
