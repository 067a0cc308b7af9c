"""Who is really in which video: a CSV `file,name`."""

import csv
from collections.abc import Mapping
from pathlib import Path

from sightline.errors import ConfigError

COLUMNS = ("file", "name")

Expected = Mapping[str, frozenset[str]]  # names by file; `unknown` as the stack says it


def read_expected(path: Path) -> Expected:
    """Read names by file: a row a person; a file with no name on its row has nobody in it.

    Raises:
        ConfigError: It is not such a CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}: expected columns file,name; {missing[0]} is missing")
            found: dict[str, set[str]] = {}
            for row in reader:
                names = found.setdefault((row["file"] or "").strip(), set())
                if name := (row["name"] or "").strip():
                    names.add(name)
    except (csv.Error, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: it is no CSV in UTF-8: {err}") from err
    return {file: frozenset(names) for file, names in found.items()}


def difference(expected: frozenset[str], seen: frozenset[str]) -> str | None:
    """Say how the names seen are not those expected; None: they are."""
    missing, more = sorted(expected - seen), sorted(seen - expected)
    said = [f"not seen: {', '.join(missing)}"] if missing else []
    said += [f"seen and not expected: {', '.join(more)}"] if more else []
    return "; ".join(said) or None
