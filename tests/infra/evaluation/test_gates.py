"""Where recognition falls off, and the gates that are chosen by it."""

import numpy as np
import pytest

from infra.evaluation.charts import gates_chart
from infra.evaluation.gates import MOST_FACES, Kind, Step, choose_gates, swept


def step(kind: Kind, value: float, recognised: float | None) -> Step:
    return Step(
        kind=kind,
        what=str(value),
        faces=20,
        found=20,
        side_px=value if kind == "size" else 100,
        sharpness=value if kind == "blur" else 0.3,
        recognised=recognised,
        mistaken=0,
    )


def test_a_gate_is_where_recognition_falls_below_95_hundredths_of_its_best() -> None:
    steps = [step("size", 80, 0.9), step("size", 40, 1.0), step("size", 20, 0.9)]
    steps += [step("blur", 0.01, 0.0), step("blur", 0.04, 1.0), step("blur", 0.4, 1.0)]

    size, blur = choose_gates(steps)

    # Not at 80, from where on it gets better again; half-way, over logarithms, from 40 to 20.
    assert size.recommended == pytest.approx(np.sqrt(40 * 20))
    assert blur.recommended == pytest.approx(0.04 * (1 / 4) ** 0.05)
    assert (size.in_force, blur.in_force) == (40, 0.02)


def test_where_recognition_does_not_fall_off_no_gate_is_recommended() -> None:
    size, blur = choose_gates([step("size", 80, 1.0), step("size", 20, 0.96)])

    assert size.recommended is None
    assert blur.recommended is None


def test_without_a_second_photo_of_anybody_no_gate_is_recommended() -> None:
    steps = [step("size", 80, None), step("blur", 0.1, None)]
    size, blur = choose_gates(steps)

    assert (size.recommended, blur.recommended) == (None, None)
    assert gates_chart(steps, (size, blur), engine="toy@1").size == (1760, 600)


def test_the_curve_falls_from_right_to_left() -> None:
    steps = [step("size", 80, 1.0), step("size", 40, 1.0), step("size", 20, 0.2)]
    picture = gates_chart(steps, choose_gates(steps)[:1], engine="toy@1")

    pixels = np.asarray(picture, np.int16)[100:]
    rows, columns = np.nonzero((pixels[..., 2] - pixels[..., 0]) > 100)

    left, right = rows[columns < 200], rows[columns > 700]
    assert left.mean() > right.mean() + 200  # lower


@pytest.mark.parametrize(("faces", "most"), [(1, 1), (9, 9), (100, 100), (12_345, MOST_FACES)])
def test_of_many_faces_some_from_everywhere_are_changed(faces: int, most: int) -> None:
    places = list(swept(faces))

    assert len(places) == len(set(places)) == most
    assert (places[0], places[-1]) == (0, faces - 1)
