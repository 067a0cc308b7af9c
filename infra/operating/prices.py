"""The price table `prices.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sightline.errors import ConfigError

PRICES = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What AWS asks for each unit, in USD, by the table's names."""

    region: str
    read_on: date
    usd: Mapping[str, float]


def read_prices(path: Path = PRICES) -> Prices:
    """Read the table.

    Raises:
        ConfigError: It is missing or damaged.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        usd = {name: float(price) for name, price in table["prices"].items()}
        return Prices(region=table["region"], read_on=table["read_on"], usd=usd)
    except OSError as err:
        raise ConfigError(f"cannot read {path}: {err.strerror}") from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise ConfigError(f"{path} is no price table: {err}") from err
