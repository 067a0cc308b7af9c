"""A bill: its lines, what they add up to, and what there is to say of it."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the bill."""

    service: str
    what: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The bill, and what to say of it."""

    region: str
    prices_of: str
    frames: float
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def usd(self) -> float:
        """All of it, for a month."""
        return math.fsum(line.usd for line in self.lines)

    @property
    def services(self) -> dict[str, float]:
        """USD by service."""
        return {
            name: math.fsum(line.usd for line in self.lines if line.service == name)
            for name in dict.fromkeys(line.service for line in self.lines)
        }

    def as_json(self) -> dict[str, Any]:
        """The estimate for a program to read."""
        return {
            "region": self.region,
            "prices_of": self.prices_of,
            "frames": round(self.frames),
            "usd": round(self.usd, 2),
            "services": {name: round(usd, 4) for name, usd in self.services.items()},
            "remarks": list(self.remarks),
        }
