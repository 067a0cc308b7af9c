"""What an examination finds: a line each, with its mend. The operator's doctor speaks so, too."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

from sightline.errors import SightlineError

State = Literal["ok", "warning", "fault", "not tried"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check came to."""

    state: State
    said: str
    mend: str = ""
    check: str = ""  # its name; whoever runs the check fills it in
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Write it for people."""
        text = f"{self.said}; {self.mend}" if self.mend else self.said
        return f"{self.state:<9}  {self.check:<13}  {text}"


def ok(said: str, *, timings_ms: Mapping[str, float] | None = None) -> Finding:
    """All is well."""
    return Finding(state="ok", said=said, timings_ms=timings_ms or {})


def warning(said: str, mend: str) -> Finding:
    """It works, but not for long, or not well."""
    return Finding(state="warning", said=said, mend=mend)


def fault(said: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(state="fault", said=said, mend=mend)


def not_tried(said: str) -> Finding:
    """Nothing is known of it."""
    return Finding(state="not tried", said=said)


def of_error(err: SightlineError) -> Finding:
    """Take an error for a fault: this project's say what is wrong, a semicolon, and the mend."""
    said, _, mend = str(err).partition("; ")
    return fault(said, mend)


class Examination:
    """Makes checks one by one, and shows each finding as it comes.

    What needs a thing that was found at fault is not tried, and said so.
    """

    def __init__(self, show: Callable[[Finding], None] = lambda _: None) -> None:
        self.findings: list[Finding] = []
        self._show = show

    @property
    def sound(self) -> bool:
        """Whether there is no fault; warnings are none."""
        return all(finding.state != "fault" for finding in self.findings)

    def check(
        self, name: str, make: Callable[[], Finding], *, needs: Collection[str] = ()
    ) -> Finding:
        """Make a check unless one that it *needs* failed; an error of ours is a fault."""
        failed = self._failed(needs)
        try:
            finding = make() if failed is None else not_tried(f"since {failed} failed")
        except SightlineError as err:
            finding = of_error(err)
        return self._add(name, finding)

    def obtain(
        self,
        name: str,
        get: Callable[[], T],
        judge: Callable[[T], Finding],
        *,
        needs: Collection[str] = (),
    ) -> T | None:
        """Get what later checks need, and judge it; None if that failed."""
        found: list[T] = []

        def make() -> Finding:
            found.append(get())
            return judge(found[0])

        self.check(name, make, needs=needs)
        return found[0] if found else None

    def skip(self, names: Sequence[str], since: str) -> None:
        """Say of each of *names* that it is not tried, since *since* failed."""
        for name in names:
            self._add(name, not_tried(f"since {since} failed"))

    def summary(self) -> str:
        """Count the findings, in one line."""
        states: tuple[State, ...] = ("fault", "warning", "not tried", "ok")
        counts = [(sum(f.state == state for f in self.findings), state) for state in states]
        return ", ".join(f"{count} {state}" for count, state in counts if count)

    def as_json(self) -> dict[str, Any]:
        """Write all of it for programs."""
        return {"sound": self.sound, "findings": [asdict(each) for each in self.findings]}

    def _failed(self, needs: Collection[str]) -> str | None:
        for finding in self.findings:
            if finding.check in needs and finding.state in ("fault", "not tried"):
                return finding.check
        return None

    def _add(self, name: str, finding: Finding) -> Finding:
        finding = replace(finding, check=name)
        self.findings.append(finding)
        self._show(finding)
        return finding


def given(value: T | None) -> T:
    """Narrow what `Examination.obtain` gave, in a check that *needs* it."""
    assert value is not None  # noqa: S101 - the check is not made otherwise
    return value
