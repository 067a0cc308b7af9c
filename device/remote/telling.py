"""Who is told of results: whoever reads the lines, a report, a log, a hook."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from device.answers.hook import Hook
from device.answers.lines import lines, machine_line, summary_lines
from device.answers.output import Output
from device.answers.report import Report, summary_line
from device.answers.result_log import ResultLog
from device.answers.results import Outcome
from device.journal import Summary
from device.settings import Settings


class Telling:
    """Tells of results from `__enter__` to `__exit__`, and then how it all went."""

    def __init__(
        self, settings: Settings, arguments: argparse.Namespace, *, unattended: bool = False
    ) -> None:
        """Open what *settings* and the options ask for.

        Args:
            unattended: A log that cannot be written is waited for, for nobody sees us end.

        Raises:
            ConfigError: A file cannot be written, or the hook is no program.
        """
        self._arguments = arguments
        self._out = Output(sys.stdout, "standard output")
        self._open = contextlib.ExitStack()
        self.observers: list[Callable[[Outcome], None]] = []
        self.log: ResultLog | None = None
        self._report: Report | None = None
        with self._open as opening:
            wanted = settings.results
            if wanted.log is not None:  # first: what is not in it may come again
                self.log = opening.enter_context(
                    ResultLog(
                        wanted.log,
                        max_bytes=wanted.log_bytes,
                        files=wanted.log_files,
                        unattended=unattended,
                    )
                )
                self.observers.append(self.log.result)
            self.observers.append(self._show)
            if arguments.report:
                self._report = opening.enter_context(Report(arguments.report))
                self.observers.append(self._report.result)
            if wanted.hook:
                hook = Hook(
                    wanted.hook,
                    timeout_s=wanted.hook_timeout_s,
                    processes=wanted.hook_processes,
                    stop_timeout_s=settings.uplink.stop_timeout_s,
                )
                self.observers.append(opening.enter_context(hook).result)
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def logged(self) -> tuple[str, ...] | None:
        """The frames whose results are in the log; None: there is none."""
        return None if self.log is None else self.log.ids()

    def trouble(self) -> str | None:
        """Say what of it fails; None: nothing. From any thread."""
        return None if self.log is None else self.log.trouble()

    def sum_up(self, summary: Summary) -> None:
        """Tell how it went, if anything did: else what went wrong says it all."""
        if not summary.captured:
            return
        if self._report is not None:
            self._report.summary(summary)
        if self._arguments.json:
            self._out.write(summary_line(summary))
        else:
            written = summary_lines(summary, every_stage=self._arguments.verbose)
            Output(sys.stderr, "standard error").write(*written)

    def _show(self, outcome: Outcome) -> None:
        if self._arguments.json:
            self._out.write(machine_line(outcome))
        else:
            colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            self._out.write(*lines(outcome, colour=colour))
