"""What a run of the suite costs, named before it begins. Reckoned as `./run cost` does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra import template
from infra.deploying import parameters
from infra.operating.cost import DAYS, Use
from infra.operating.cost import estimate as estimate_month
from infra.operating.prices import Prices, read_prices

_HOURS = 0.1  # that the device is connected
_SECONDS_A_FRAME = 1.5  # few frames, of which some start the function
_FACTOR = 3.0  # for dearer regions, and requests that make, look and remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An estimate: at most *usd*, by a wide margin."""

    frames: int
    usd: float
    prices: Prices

    def words(self) -> str:
        """Say it as one would."""
        cost = "less than 1 US cent" if self.usd < 0.01 else f"less than {self.usd:.2f} USD"
        where = f"prices of {self.prices.region}, {self.prices.read_on}"
        return f"{self.frames} frames, {cost} ({where})"


def estimate(*, frames: int, deployed: Mapping[str, str]) -> Price:
    """Add up what *frames* cost on a stack of these parameters, beyond what it costs anyway.

    Raises:
        ConfigError: The price table is damaged.
    """
    hours_a_day = _HOURS / DAYS
    prices = read_prices()
    use = Use.of(
        parameters.effective(template.load(), {}, deployed),
        devices=1,
        fps=frames / (_HOURS * 3600),
        gate=1.0,
        hours=hours_a_day,
        seconds=_SECONDS_A_FRAME,
    )
    anyway = estimate_month(replace(use, devices=0), prices).usd
    return Price(
        frames=frames,
        usd=_FACTOR * max(0.0, estimate_month(use, prices).usd - anyway),
        prices=prices,
    )
