"""The weather: forecasts by name, the same again from the same chance."""

import random

import pytest

from infra.fleet.weather import (
    CALM,
    PROFILES,
    WIFI,
    Episode,
    Forecast,
    Weather,
    clock_factor,
    forecast,
)
from sightline.errors import ConfigError


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seconds", [2, 10, 300, 3600])
def test_no_episode_goes_beyond_the_run(profile: str, seconds: float) -> None:
    for seed in range(20):
        episodes = forecast(profile, seconds, seeded(seed)).episodes
        assert all(each.at_s + each.seconds <= seconds for each in episodes)


def test_the_same_chance_makes_the_same_weather() -> None:
    assert forecast("wifi", 300, seeded(7)) == forecast("wifi", 300, seeded(7))
    assert forecast("wifi", 300, seeded(7)) != forecast("wifi", 300, seeded(8))


def test_wifi_has_each_kind_of_trouble_sooner_or_later() -> None:
    made = forecast("wifi", 3600, seeded(1))
    assert made.base == WIFI
    assert {each.weather.name for each in made.episodes} == {
        *("slow", "silent", "outage", "reset", "half-open")
    }


def test_no_faults_are_calm() -> None:
    assert forecast("none", 60, seeded(1)) == Forecast(base=CALM)


def test_an_hours_outage_is_the_same_for_all_and_says_how_fast_it_goes() -> None:
    first, second = (forecast("outage-hour", 300, seeded(i)) for i in range(2))
    assert first == second
    assert [each.seconds * clock_factor(300) for each in first.episodes] == [3600]


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'fog'.*none, wifi, outage-hour"):
        forecast("fog", 60, seeded(1))


def test_episodes_do_not_overlap() -> None:
    first = Episode(at_s=1, seconds=5, weather=CALM)
    with pytest.raises(ConfigError, match="before the last one ends"):
        Forecast(episodes=(first, Episode(at_s=5, seconds=1, weather=CALM)))


@pytest.mark.parametrize("wrong", [{"loss": 1.5}, {"latency_s": -1.0}, {"bytes_per_s": 0.0}])
def test_weather_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weather odd"):
        Weather(name="odd", **wrong)  # type: ignore[arg-type]
