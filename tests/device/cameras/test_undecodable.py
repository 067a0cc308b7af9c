"""A camera whose frames come, and cannot be decoded."""

import pytest

from device.cameras.camera import Image
from device.cameras.opencv_camera import LiveCamera
from sightline.errors import CameraError
from tests.device.fakes import Now, image


class Undecodable:
    """What OpenCV is with a USB camera whose pictures all come damaged."""

    def __init__(self, first: int = 10**6) -> None:
        self.grabbed, self._first = 0, first

    def grab(self) -> bool:
        self.grabbed += 1
        assert self.grabbed < 1000, "nobody gives up"
        return True

    def retrieve(self) -> tuple[bool, Image | None]:
        return (True, image(7)) if self.grabbed > self._first else (False, None)


def test_a_camera_of_whose_frames_none_can_be_decoded_is_told_of() -> None:
    camera = LiveCamera("usb:0", width=64, height=48)
    camera._video = Undecodable()  # type: ignore[assignment]

    with pytest.raises(CameraError, match=r"usb:0.*cannot be decoded"):
        camera.capture(Now())


def test_a_few_frames_that_cannot_be_decoded_are_passed_over() -> None:
    camera = LiveCamera("usb:0", width=64, height=48)
    camera._video = Undecodable(first=20)  # type: ignore[assignment]

    captured = camera.capture(Now())
    assert captured is not None
    assert captured.image.max() == 7
