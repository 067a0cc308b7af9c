"""The estimate of a month's cost."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import template
from infra.deploying import parameters
from infra.operating.cost import ENGINE_S, Use, estimate
from infra.operating.prices import Prices, read_prices
from sightline.errors import ConfigError

PRICES = read_prices()
DEFAULTS = parameters.effective(template.load(), {}, {})


def use(**more: float) -> Use:
    given = {"devices": 4, "fps": 2.0, "gate": 0.03} | more
    return Use.of(DEFAULTS, **given)  # type: ignore[arg-type]


BASE = use()
uses = st.builds(
    lambda **more: replace(BASE, **more),
    devices=st.integers(0, 1000),
    fps=st.floats(0, 30),
    gate=st.floats(0, 1),
    hours=st.floats(0, 24),
    faces=st.floats(0, 10),
    frame_kb=st.floats(1, 5000),
    seconds=st.floats(0, 30),
)


@given(uses)
def test_a_bill_is_the_sum_of_its_lines_and_none_is_negative(use: Use) -> None:
    found = estimate(use, PRICES)

    assert all(line.usd >= 0 for line in found.lines)
    assert found.usd == pytest.approx(sum(found.services.values()))


@given(
    uses,
    st.sampled_from(
        ["devices", "fps", "hours", "faces", "frame_kb", "seconds", "memory_mb", "gate"]
    ),
    st.floats(1, 4),
)
def test_more_of_anything_never_costs_less(use: Use, name: str, factor: float) -> None:
    limits = {"gate": 1.0, "hours": 24.0}
    value = min(getattr(use, name) * factor, limits.get(name, float("inf")))
    more = replace(use, **{name: type(getattr(use, name))(value)})

    assert estimate(more, PRICES).usd >= estimate(use, PRICES).usd - 1e-9


@given(uses, st.sampled_from(["frame_days", "sighting_days", "log_days"]))
def test_keeping_for_longer_never_costs_less(use: Use, name: str) -> None:
    longer = replace(use, **{name: getattr(use, name) * 2})

    assert estimate(longer, PRICES).usd >= estimate(use, PRICES).usd


@given(uses)
def test_without_a_camera_only_what_is_fixed_remains(use: Use) -> None:
    found = estimate(replace(use, devices=0), PRICES)

    paid = {(line.service, line.what) for line in found.lines if line.usd}
    assert paid <= {("CloudWatch", "alarms"), ("CloudWatch", "dashboard"), ("ECR", "the images")}
    assert found.usd == estimate(replace(use, devices=0, fps=1, gate=0), PRICES).usd


@given(uses)
def test_basic_ingest_saves_what_is_said(use: Use) -> None:
    without = estimate(replace(use, basic_ingest=False), PRICES).usd
    saved = without - estimate(replace(use, basic_ingest=True), PRICES).usd

    assert saved == pytest.approx(use.frames * PRICES.usd["iot_message"], abs=1e-6)


def test_a_million_frames_cost_what_the_parts_add_up_to() -> None:
    one = replace(
        use(devices=1, gate=1.0, hours=24.0, faces=0.0, seconds=0.6),
        fps=1e6 / (24 * 3600 * 30),
        memory_mb=2048,
        architecture="arm64",
        basic_ingest=False,
    )
    lines = {(line.service, line.what): line.usd for line in estimate(one, PRICES).lines}

    assert one.frames == pytest.approx(1e6)
    assert lines["Lambda", "recognition"] == pytest.approx(16.0, rel=0.01)
    assert lines["Lambda", "requests"] == pytest.approx(0.20)
    assert lines["S3", "putting frames"] == pytest.approx(5.00)
    assert lines["S3", "getting frames"] == pytest.approx(0.40)
    assert lines["IoT Core", "references"] == pytest.approx(1.00)
    assert lines["IoT Core", "results"] == pytest.approx(3.00)
    assert lines["IoT Core", "the rule"] + lines["IoT Core", "its action"] == pytest.approx(0.30)
    assert lines["DynamoDB", "keeping sightings"] == pytest.approx(2.50)
    # One a minute, and each is metered as published and as retained.
    assert lines["IoT Core", "status"] == pytest.approx(2 * 43_200 * 1e-6)


def test_the_configuration_counts() -> None:
    given = DEFAULTS | {"Architecture": "x86_64", "MemoryMb": "1024", "Engine": "facenet"}
    other = Use.of(given, devices=4, fps=2, gate=0.03)

    assert other.memory_mb == 1024
    assert other.seconds > use().seconds
    x86 = replace(use(), architecture="x86_64")
    assert estimate(x86, PRICES).usd > estimate(use(), PRICES).usd


def test_every_engine_of_the_template_has_a_time() -> None:
    assert set(template.load()["Parameters"]["Engine"]["AllowedValues"]) == set(ENGINE_S)


def test_it_says_what_drives_it_and_what_is_left_out() -> None:
    text = "\n".join(estimate(use(), PRICES).remarks)

    said_of = ("Most of it: ", "Basic Ingest would save", "The gate saves", "free tiers", "KMS")
    for said in said_of:
        assert said in text


@pytest.mark.parametrize(
    ("name", "value"),
    [("gate", 1.5), ("hours", 25.0), ("fps", -1.0), ("faces", float("nan")), ("gate", -0.1)],
)
def test_a_figure_that_cannot_be_is_refused_by_its_option(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"--{name}"):
        use(**{name: value})


def test_the_table_has_its_date_region_and_sources() -> None:
    assert PRICES.region == "us-east-1"
    assert PRICES.read_on <= date.today()
    assert estimate(use(), PRICES).prices_of == PRICES.read_on.isoformat()


def test_a_damaged_table_or_a_missing_price_is_said(tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    with pytest.raises(ConfigError, match="cannot read"):
        read_prices(table)
    table.write_text("region = 1")
    with pytest.raises(ConfigError, match="is no price table"):
        read_prices(table)
    poor = Prices(region="us-east-1", read_on=PRICES.read_on, usd={})
    with pytest.raises(ConfigError, match="the price table lacks"):
        estimate(use(), poor)


def test_a_video_costs_as_its_pictures_do() -> None:
    values = parameters.effective(template.load(), {}, {})
    idle, used = (
        estimate(Use.of(values, devices=0, fps=2, gate=0.03, video_hours=hours), read_prices())
        for hours in (0.0, 100.0)
    )

    more = {line.what: line.usd for line in used.lines if line.quantity}
    assert more["their pictures"] > more["taking videos apart"] > 0
    assert 8 < used.usd - idle.usd < 15  # 720,000 pictures
