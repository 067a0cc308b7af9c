"""What happens to a stack, on the screen: what is under way, with its time, below what is done."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from infra.cli.console import err
from infra.deploying.events import StackEvent

_GOOD, _BAD = "green", "bold red"


class Progress:
    """Shows events: alive on a terminal, else a line for each; in use from `with` to its end."""

    def __init__(
        self, console: Console = err, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = clock
        self._start_s: float | None = None
        self._under_way: dict[str, tuple[StackEvent, float]] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop()

    def watch(self, event: StackEvent) -> None:
        """Show an event; this is what `deploy` and `destroy` take as *watch*."""
        now_s = self._clock()
        self._start_s = now_s if self._start_s is None else self._start_s
        if not self._console.is_terminal:
            self._line(f"{now_s - self._start_s:6.1f} s  {event.status}  {event.what}", event)
            return
        if event.status.endswith("_IN_PROGRESS"):
            _, since_s = self._under_way.get(event.name, (event, now_s))
            self._under_way[event.name] = (event, since_s)
        else:
            _, since_s = self._under_way.pop(event.name, (event, now_s))
            self._line(f"{now_s - since_s:6.1f} s  {event.status}  {event.what}", event)
        if event.is_stack and not event.status.endswith("_IN_PROGRESS"):
            self._stop()
        elif self._live is None:
            self._live = Live(get_renderable=self._table, console=self._console, transient=True)
            self._live.start()

    def _line(self, text: str, event: StackEvent) -> None:
        if event.status.endswith("_FAILED"):
            text = f"[{_BAD}]{escape(text)}: {escape(event.reason)}[/]"
        elif event.status.endswith("_COMPLETE") and "ROLLBACK" not in event.status:
            text = f"[{_GOOD}]{escape(text)}[/]"
        else:
            text = escape(text)
        self._console.print(text, soft_wrap=True)

    def _table(self) -> RenderableType:
        table = Table(box=None, show_header=False, pad_edge=False)
        now_s = self._clock()
        for event, since_s in list(self._under_way.values()):
            table.add_row(f"{now_s - since_s:6.1f} s", event.status, escape(event.what))
        return table

    def _stop(self) -> None:
        live, self._live = self._live, None
        self._under_way.clear()
        self._start_s = None
        if live is not None:
            live.stop()
