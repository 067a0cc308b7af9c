from dataclasses import replace

import pytest

from device.gate.building import face_finder, gatekeeper_for
from device.gate.gate import FaceFinder
from device.gate.settings import GateSettings
from device.settings import CameraSettings, Settings
from sightline.errors import ConfigError, ModelError
from tests.device.fakes import settings
from tests.device.gate.scenery import Room, ToldFinder


def with_gate(mode: str, source: str = "picamera2") -> Settings:
    return replace(settings(), camera=CameraSettings(source=source), gate=GateSettings(mode=mode))


@pytest.mark.parametrize("source", ["picamera2", "usb:0", "rtsp://camera/1"])
def test_a_live_camera_has_a_gate_unless_told_otherwise(source: str) -> None:
    assert gatekeeper_for(with_gate("auto", source)) is not None
    assert gatekeeper_for(with_gate("off", source)) is None


@pytest.mark.parametrize("source", ["clips/door.mp4", "pictures"])
def test_of_a_clip_or_a_folder_each_frame_is_sent_unless_told_otherwise(source: str) -> None:
    assert gatekeeper_for(with_gate("auto", source)) is None
    assert gatekeeper_for(with_gate("motion", source)) is not None


def test_by_motion_nothing_is_loaded_that_finds_faces() -> None:
    def never(gate: GateSettings, camera: CameraSettings) -> FaceFinder:
        raise AssertionError

    assert gatekeeper_for(with_gate("motion"), never) is not None


def test_by_faces_what_finds_them_is_asked() -> None:
    finder = ToldFinder(faces=1)
    keeper = gatekeeper_for(with_gate("faces"), lambda gate, camera: finder)
    assert keeper is not None
    keeper.offer(Room().empty(0, 0.1)[0])

    assert finder.looks == 1


def test_without_the_networks_runtime_the_operator_is_told_how_to_mend_it() -> None:
    def missing(gate: GateSettings, camera: CameraSettings) -> FaceFinder:
        raise ImportError("No module named 'onnxruntime'", name="onnxruntime")

    with pytest.raises(ConfigError, match=r"\(onnxruntime\): pip install '.\[device,gate\]', or"):
        gatekeeper_for(with_gate("faces"), missing)


def test_damaged_networks_are_named() -> None:
    def damaged(gate: GateSettings, camera: CameraSettings) -> FaceFinder:
        raise ModelError("pnet.onnx is damaged")

    with pytest.raises(ConfigError, match=r"\[gate\] mode \"faces\": pnet.onnx is damaged"):
        gatekeeper_for(with_gate("faces"), damaged)


def test_the_real_networks_load() -> None:
    camera = CameraSettings(source="picamera2")

    assert face_finder(GateSettings(), camera).look(Room().frame()).faces == 0
