from infra.bench.gate import Figure, as_rows


def test_a_figure_says_whether_it_was_reached() -> None:
    good = Figure(what="motion", value=0.3, unit="ms", most=0.5, detail="640×480")
    bad = Figure(what="missed", value=0.02, unit="%", most=0.01)
    told = Figure(what="on a Pi 4", value=2.1, unit="ms")

    assert [each.reached for each in (good, bad, told)] == [True, False, True]
    assert as_rows([good, bad, told]) == [
        ("motion", "0.3 ms", "≤ 0.5 ms", "640×480"),
        ("missed", "2 %", "≤ 1 %  MISSED", ""),
        ("on a Pi 4", "2.1 ms", "", ""),
    ]
