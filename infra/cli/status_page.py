"""A stack's status as a page on the screen."""

from datetime import UTC, datetime
from typing import TypeVar

from rich.markup import escape

from infra.cli.console import out, print_table
from infra.operating.status import Part, Status

T = TypeVar("T")


def show(found: Status) -> None:
    """Write it for a person to read."""
    _show_stack(found)
    _heading("devices", found.devices)
    if found.devices.value is not None:
        rows = [
            [
                d.name,
                _coloured(d.state),
                _ago(d.at),
                d.version,
                _number(d.spooled),
                _number(d.dropped),
            ]
            for d in found.devices.value
        ]
        columns = ("device", "state", "since", "version", "spooled", "dropped")
        print_table(columns, rows, empty="none: ./run provision front-door")
    _heading("videos", found.videos)
    if (videos := found.videos.value) is not None:
        since = f", one without progress since {_ago(videos.since)}" if videos.since else ""
        out.print(
            f"{videos.unfinished} unfinished{since}; {videos.chunks} chunks wait, "
            f"{videos.in_work} in work",
            soft_wrap=True,
        )
    _heading("dead letters", found.dead_letters)
    if (dead := found.dead_letters.value) is not None:
        age = f", the oldest {_duration(dead.oldest_s)} old" if dead.oldest_s is not None else ""
        more = f"; {dead.in_flight} being looked at" if dead.in_flight else ""
        hint = " - ./run redrive sends them round again" if dead.count else ""
        out.print(f"{dead.count}{age}{more}{hint}", soft_wrap=True)
    _show_answers(found)


def _show_answers(found: Status) -> None:
    _heading("last results", found.results)
    if found.results.value is not None:
        rows = [
            [
                r.captured_at.isoformat(sep=" ", timespec="seconds"),
                r.device,
                escape(", ".join(r.names)) or "-",
                ", ".join(f"{n} {d}" for d, n in r.decisions.items()) or "no face",
                f"{r.late_ms} ms",
            ]
            for r in found.results.value
        ]
        print_table(("captured", "device", "who", "faces", "after"), rows, empty="none yet")
    _heading("alarms", found.alarms)
    if found.alarms.value is not None:
        for alarm in found.alarms.value:
            out.print(f"[bold red]{escape(alarm)}[/]", soft_wrap=True)
        if not found.alarms.value:
            out.print(f"none of {found.alarms_watched} has gone off")


def _show_stack(found: Status) -> None:
    _heading("stack", found.stack)
    if (stack := found.stack.value) is not None:
        out.print(
            f"{stack.name} in {stack.region}: {_coloured(stack.state)}, changed "
            f"{_ago(stack.changed_at)}, code {stack.version or '-'}, engine {stack.engine}",
            soft_wrap=True,
        )
        if stack.http:
            out.print(f"HTTP at {stack.http}", soft_wrap=True)
    _heading("functions", found.functions)
    if found.functions.value is not None:
        rows = [
            [
                f.name,
                _coloured(f.state),
                f.last_update,
                f.changed_at[:19].replace("T", " "),
                _number(f.invocations),
                _number(f.errors),
                _number(f.throttles),
            ]
            for f in found.functions.value
        ]
        columns = ("function", "state", "last update", "changed", "invoked", "failed", "throttled")
        print_table(columns, rows, empty="none")
        if any(f.invocations is None for f in found.functions.value):
            out.print("(counts of the last hour; - where nothing was counted)", style="dim")


def _heading(title: str, part: Part[T]) -> None:
    out.print(f"\n[bold]{title}[/]")
    if part.error:
        out.print(f"[yellow]not shown: {escape(part.error)}[/]", soft_wrap=True)


def _coloured(state: str) -> str:
    is_done = state.endswith("_COMPLETE") and "ROLLBACK" not in state
    if is_done or state in ("online", "Active"):
        return f"[green]{state}[/]"
    return f"[yellow]{state}[/]" if state in ("offline", "never heard") else f"[red]{state}[/]"


def _ago(at: datetime | None) -> str:
    return "" if at is None else f"{_duration((datetime.now(UTC) - at).total_seconds())} ago"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
