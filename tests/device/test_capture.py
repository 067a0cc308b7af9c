import threading
from itertools import pairwise

import cv2
import numpy as np
import pytest

from device import jpeg
from device.cameras.camera import Captured
from device.capture import Capture, Schedule
from sightline.errors import CameraError
from tests.device.fakes import DEADLINE_S, EndlessCamera, image, until


def test_a_schedule_keeps_its_beat() -> None:
    time = [0.0]
    schedule = Schedule(0.5, clock=lambda: time[0])
    assert schedule.remaining_s() == 0
    schedule.taken()
    time[0] = 0.1
    assert schedule.remaining_s() == pytest.approx(0.4)
    time[0] = 0.54  # late by 0.04, which the next frame is not
    schedule.taken()
    assert schedule.remaining_s() == pytest.approx(0.46)


def test_a_frame_that_comes_late_has_the_next_one_not_come_too_soon() -> None:
    time, taken = [0.0], list[float]()
    schedule = Schedule(0.5, clock=lambda: time[0])
    for hundredths in range(1000):
        time[0] = hundredths / 100
        comes = hundredths % 3 == 0 and hundredths % 100 not in range(50, 90)  # at times it stalls
        if comes and schedule.remaining_s() == 0:
            taken.append(time[0])
            schedule.taken()

    assert len(taken) >= 18
    assert min(b - a for a, b in pairwise(taken)) >= 0.45


def test_frames_missed_are_not_made_up_for() -> None:
    time = [0.0]
    schedule = Schedule(0.5, clock=lambda: time[0])
    schedule.taken()
    time[0] = 60.0
    schedule.taken()
    assert schedule.remaining_s() == pytest.approx(0.45)
    schedule.taken()
    assert schedule.remaining_s() == pytest.approx(0.5)


def test_frames_that_are_asked_for_one_after_the_other_put_off_the_next_by_one_interval() -> None:
    time = [0.0]
    schedule = Schedule(60, clock=lambda: time[0])
    for second in range(10):
        time[0] = float(second)
        schedule.at_once()
        schedule.taken()
    assert schedule.remaining_s() == pytest.approx(60)


def test_a_frame_can_be_wanted_at_once() -> None:
    schedule = Schedule(3600)
    schedule.taken()
    schedule.at_once()
    schedule.pause(3600)  # would wait an hour, if it did not heed that
    assert schedule.remaining_s() == 0
    schedule.taken()
    assert schedule.remaining_s() > 0


def test_a_stopped_schedule_lets_nobody_wait_again() -> None:
    schedule = Schedule(3600)
    schedule.stop()
    for _ in range(2):
        schedule.taken()
        schedule.pause(3600)
        assert schedule.remaining_s() == 0


def test_no_more_frames_are_taken_than_asked_for_and_the_camera_is_let_go_of() -> None:
    camera, kept = EndlessCamera(), list[Captured]()
    Capture(camera, Schedule(0.001), kept.append, limit=3).run()

    assert len(kept) == 3
    assert not camera.is_open


def test_the_camera_is_let_go_of_when_it_fails() -> None:
    camera = EndlessCamera(fail_after=2, error=CameraError("gone"))
    with pytest.raises(CameraError):
        Capture(camera, Schedule(0.001), lambda _: None).run()

    assert not camera.is_open


def test_a_stop_ends_the_wait_for_the_next_frame() -> None:
    kept = threading.Event()
    capture = Capture(EndlessCamera(), Schedule(3600), lambda _: kept.set())
    thread = threading.Thread(target=capture.run)
    thread.start()
    assert kept.wait(10)
    capture.stop()
    thread.join(10)

    assert not thread.is_alive()


def test_while_paused_frames_are_taken_and_thrown_away_but_for_one_that_is_asked_for() -> None:
    camera, kept = EndlessCamera(), list[Captured]()
    capture = Capture(camera, Schedule(0.001), kept.append)
    capture.pause(True)
    capture.step()
    assert (camera.taken, len(kept), capture.paused) == (1, 0, True)
    capture.now()
    capture.step()
    capture.step()
    assert len(kept) == 1
    capture.pause(False)
    capture.step()
    assert len(kept) == 2


class Encoder:
    """What records a Pi's own camera: it is given none of the frames."""

    each_frame = False

    def frame(self, captured: Captured) -> None:
        raise AssertionError("its packets come another way")

    def pause(self, paused: bool) -> None:
        pass


def test_a_live_camera_goes_on_while_a_frame_of_its_is_seen_to() -> None:
    camera, entered, let_on = EndlessCamera(), threading.Event(), threading.Event()
    kept, skipped = list[Captured](), list[None]()

    def keep(captured: Captured) -> None:
        entered.set()
        assert let_on.wait(DEADLINE_S)
        kept.append(captured)

    capture = Capture(
        camera,
        Schedule(0.001),
        keep,
        recorder=Encoder(),
        live=True,
        on_skipped=lambda: skipped.append(None),
    )
    thread = threading.Thread(target=capture.run)
    thread.start()
    assert entered.wait(DEADLINE_S)
    taken = camera.taken
    until(lambda: camera.taken >= taken + 20)
    assert (len(kept), len(skipped) >= 15) == (0, True)
    let_on.set()
    until(lambda: len(kept) >= 5)
    capture.stop()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
    assert camera.taken - 1 <= len(kept) + len(skipped) <= camera.taken


def test_an_asked_for_frame_does_not_wait_for_the_interval() -> None:
    kept = list[Captured]()
    capture = Capture(EndlessCamera(), Schedule(3600), kept.append)
    thread = threading.Thread(target=capture.run)
    thread.start()
    until(lambda: len(kept) == 1)
    capture.now()
    until(lambda: len(kept) == 2)
    capture.stop()
    thread.join(10)


@pytest.mark.parametrize(
    ("given", "fitted"),
    [
        ((640, 480), (640, 480)),
        ((2560, 1440), (1280, 720)),
        ((720, 1280), (405, 720)),
        ((1, 9000), (1, 720)),
    ],
)
def test_a_frame_is_shrunk_to_fit_and_never_enlarged(
    given: tuple[int, int], fitted: tuple[int, int]
) -> None:
    shrunk = jpeg.fit(image(7, *given), 1280, 720)

    assert (shrunk.shape[1], shrunk.shape[0]) == fitted


def test_a_jpeg_holds_what_was_taken() -> None:
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 200
    data = jpeg.encode(blue, 95)
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    assert np.abs(back.astype(int) - blue).max() < 12


def test_what_is_no_image_is_the_cameras_fault() -> None:
    with pytest.raises(CameraError, match="shape"):
        jpeg.encode(np.zeros((0, 0, 3), np.uint8), 85)
