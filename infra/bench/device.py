"""What a device's parts cost, and what they miss. Each part is a module with `figures(say)`."""

from collections.abc import Callable, Iterable, Mapping

from infra.bench import agent, gate, instructions, recording, spool
from infra.bench.gate import Figure

COLUMNS = ("part", "figure", "measured", "to reach", "")

Say = Callable[[str], None]

PARTS: Mapping[str, Callable[[Say], list[Figure]]] = {
    "spool": spool.figures,
    "gate": gate.figures,
    "instructions": instructions.figures,
    "recording": recording.figures,
    "agent": agent.figures,
}


def measure(parts: Iterable[str], say: Say) -> dict[str, list[Figure]]:
    """Measure the *parts*, which are names in `PARTS`, in turn."""
    return {part: PARTS[part](say) for part in parts}


def as_rows(measured: Mapping[str, list[Figure]]) -> list[tuple[str, ...]]:
    """Lay figures out for a table."""
    return [(part, *row) for part, figures in measured.items() for row in gate.as_rows(figures)]


def reached(measured: Mapping[str, list[Figure]]) -> bool:
    """Tell whether all is as it should be."""
    return all(each.reached for figures in measured.values() for each in figures)
