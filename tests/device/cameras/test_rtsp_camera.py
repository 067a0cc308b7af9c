"""A camera on the network that is read by RTSP, and stops giving frames with or without a word."""

import threading

import pytest

from device.cameras.camera import Image
from device.cameras.opencv_camera import LiveCamera
from sightline.errors import CameraError
from tests.device.cameras.rtsp_server import (
    Ending,
    RtspCamera,
    falls_silent,
    hangs_up,
    only_reports,
)
from tests.device.fakes import DEADLINE_S, Now, image
from tests.device.recording.film import number_in

FRAMES = 60  # before it is gone; the decoder keeps one a processor core back


def watch(source: str, numbers: list[int], told: list[str]) -> None:
    """Read frames until there are no more: their numbers, and what was said then."""
    try:
        with LiveCamera(source, width=128, height=32, timeout_s=0.5) as camera:
            while (captured := camera.capture(Now())) is not None:
                assert captured.image.shape == (32, 128, 3)
                numbers.append(number_in(captured.image))
    except CameraError as err:
        told.append(str(err))


@pytest.mark.parametrize(
    ("then", "cut"),
    [
        pytest.param(falls_silent, False, id="silent between frames"),
        pytest.param(falls_silent, True, id="silent amid a packet"),
        pytest.param(only_reports, False, id="only reports"),
        pytest.param(hangs_up, False, id="hangs up between frames"),
        pytest.param(hangs_up, True, id="hangs up amid a packet"),
    ],
)
def test_frames_come_by_rtsp_and_when_they_stop_it_is_told_in_time(then: Ending, cut: bool) -> None:
    numbers, told = list[int](), list[str]()

    with RtspCamera(then, frames=FRAMES, cut=cut) as source:
        thread = threading.Thread(target=watch, args=(source, numbers, told), daemon=True)
        thread.start()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()  # and the server's end is not what ended it

    assert told == [f"camera source {source}: it has stopped giving frames"]
    assert numbers
    assert numbers == list(range(len(numbers)))


class Withholding:
    """OpenCV at its time-out: it gives what its decoder had kept back, one frame each time."""

    def __init__(self) -> None:
        self.kept = 4

    def grab(self) -> bool:
        threading.Event().wait(0.02)
        self.kept -= 1
        return self.kept >= 0

    def retrieve(self) -> tuple[bool, Image]:
        return True, image()


def test_a_frame_from_before_the_silence_does_not_pass_for_a_new_one() -> None:
    camera = LiveCamera("rtsp://camera/1", width=64, height=48, timeout_s=0.01)
    camera._video = opencv = Withholding()  # type: ignore[assignment]

    with pytest.raises(CameraError, match="stopped giving frames"):
        camera.capture(Now())
    assert opencv.kept == 3
