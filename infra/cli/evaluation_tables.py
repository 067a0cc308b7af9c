"""What `evaluate` found, for a person to read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infra.cli.console import print_table, say, tell

if TYPE_CHECKING:
    from infra.evaluation.figures import Band, Figures, Setting
    from infra.evaluation.gates import Gate, Step

_FEW_PAIRS = 300  # one in a hundred is then known to about half of itself


def show(found: "Figures", steps: Sequence["Step"], gates: Sequence["Gate"]) -> None:
    """Print all of it: what was looked at, figures, settings to use, and the gates."""
    of = "" if found.people is None else f" of {found.people} people"
    tell(f"{found.engine}: {found.faces} faces{of}, {found.same_pairs} pairs of the same person,")
    tell(f"{found.different_pairs} of different ones")
    for each in found.left_out:
        say(f"left out  {each.photo}: {each.reason}")
    for photo in found.several:
        say(f"several faces  {photo}: the largest was taken")
    _figures(found)
    for what, bands in (("smallest side, px", found.by_side), ("sharpness", found.by_sharpness)):
        tell("")
        print_table((what, "same", "found", "different", "mistaken"), _bands(bands), empty="")
    if steps:
        tell("\neach face changed, against all unchanged photos, at the default threshold")
        print_table(_STEPS, [_step(each) for each in steps], empty="")
        for gate in gates:
            tell(_gate(gate, steps))


def _figures(found: "Figures") -> None:
    best = found.most_accurate
    tell(f"\nROC-AUC           {found.auc:.4f}")
    tell(f"best accuracy     {best.accuracy:.4f} at {best.threshold:.3f}, chosen on these pairs")
    for far, there in found.at_fars:
        tell(f"TAR at FAR {far:<6g} {_at(there, far, found.different_pairs)}")
    close = found.closest
    tell(f"closest strangers {close.distance:.3f}: {close.first}, {close.second}\n")
    if found.people is not None:
        tell("each face once as somebody known, named rightly, wrongly or missed, and once as a")
        tell("stranger, all photos of whom are left out: how many of those are named")
    settings = (("default", found.default), ("recommended", found.recommended))
    print_table(_COLUMNS, [_row(name, setting) for name, setting in settings], empty="")
    if found.same_pairs < _FEW_PAIRS or found.different_pairs < _FEW_PAIRS:
        say("few pairs: what is recommended from them may not hold for other people")


_COLUMNS = ("", "below", "margin", "TAR", "FAR", "rightly", "wrongly", "missed", "strangers")
_STEPS = ("", "faces", "detected", "side px", "sharpness", "recognised", "mistaken")


def _at(there: Any, far: float, pairs: int) -> str:
    if there is None:
        return f"not shown: {1 / far:,.0f} different pairs are needed, and there are {pairs:,}"
    return f"{there.tar:.4f} at {there.threshold:.3f}"


def _row(name: str, setting: "Setting") -> tuple[str, ...]:
    found = setting.identification
    named = (
        ("", "", "", "")
        if found is None
        else (
            f"{found.named_rightly} of {found.known}",
            str(found.named_wrongly),
            str(found.missed),
            f"{found.strangers_named} of {found.strangers}",
        )
    )
    return (
        name,
        f"{setting.threshold:.3f}",
        "" if setting.margin is None else f"{setting.margin:.2f}",
        f"{setting.pairs.tar:.3f}",
        f"{setting.pairs.far:.3f}",
        *named,
    )


def _bands(bands: Sequence["Band"]) -> list[tuple[str, ...]]:
    return [
        (
            f"{band.low:g} and more" if band.high is None else f"{band.low:g} to {band.high:g}",
            str(band.same),
            _share(band.tar),
            str(band.different),
            _share(band.far),
        )
        for band in bands
    ]


def _step(step: "Step") -> tuple[str, ...]:
    return (
        step.what,
        str(step.faces),
        str(step.found),
        "" if step.side_px is None else f"{step.side_px:.0f}",
        "" if step.sharpness is None else f"{step.sharpness:.3f}",
        _share(step.recognised),
        _share(step.mistaken),
    )


def _gate(gate: "Gate", steps: Sequence["Step"]) -> str:
    name = "smallest side, px" if gate.kind == "size" else "least sharpness"
    start = f"{name:<17} {gate.in_force:g} is in force; "
    points = gate.points(steps)
    if gate.recommended is not None:
        return f"{start}recommended {gate.recommended:.3g}, below which fewer are recognised"
    if not any(step.recognised for _, step in points):
        return f"{start}nothing to say: nobody has two photos that can be compared"
    return f"{start}recognition does not fall off down to {points[-1][0]:.3g}, the least tried"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
