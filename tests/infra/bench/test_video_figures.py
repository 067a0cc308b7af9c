from pathlib import Path

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from infra.bench import video
from infra.bench.video import Figure


def test_a_figure_that_is_too_small_is_said() -> None:
    slow = Figure(what="decode", times=9.9, seconds=6.0, least=15.0, detail="120 stills")
    told = Figure(what="all", times=3.0, seconds=20.0)
    assert video.as_rows([slow, told]) == [
        ("decode", "9.9", "≥ 15  MISSED", "6.00", "120 stills"),
        ("all", "3.0", "", "20.00", ""),
    ]
    assert all(len(row) == len(video.COLUMNS) for row in video.as_rows([slow, told]))
    assert not video.reached([slow, told])
    assert video.reached([told])


def test_the_clip_is_as_long_as_it_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video.write_clip(path, seconds=1)
    with open_film(path) as film:
        assert (film.width, film.height, film.duration_s) == (1280, 720, 1.0)
        assert [still.offset_s for still in film.stills(Sampling())] == [0, 0.5]
        assert film.problems == ()
