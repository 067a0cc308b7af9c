from pathlib import Path

from infra.gating.live import clip_seconds, watched
from tests.device.fakes import EndlessCamera, write_clip


def test_a_live_camera_is_watched_for_a_while_and_let_go_of() -> None:
    camera = EndlessCamera()
    frames = list(watched(camera, 0.01, 0.1))

    assert len(frames) >= 2
    assert frames[-2].captured_s < frames[0].captured_s + 0.1
    assert not camera.is_open


def test_how_long_a_clip_is_comes_from_itself(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 20, fps=10)

    assert clip_seconds(tmp_path / "clip.mp4") == 2
    assert clip_seconds(tmp_path / "nowhere.mp4") is None
