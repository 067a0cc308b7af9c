"""How the command line speaks: one-line errors, tables, and JSON where a program reads."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDEST = 1000  # characters: into a file or a pipe tables go unfolded

out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDEST)
err = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """Tell what is happening; kept off standard output, which belongs to results."""
    err.print(line, markup=False, soft_wrap=True)


def tell(line: str) -> None:
    """Write a line of the result, however long."""
    out.print(line, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write *value* for a program to read: one line, in Unicode."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Write *rows* for a person to read, or say that there are none."""
    if not rows:
        out.print(empty, markup=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)
