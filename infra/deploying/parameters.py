"""The template's parameters, checked before anything goes to AWS."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.template import Template


def effective(
    body: Template, given: Mapping[str, str], deployed: Mapping[str, str]
) -> dict[str, str]:
    """The value that each parameter will have: given, else as deployed, else the default."""
    defaults = {name: str(each.get("Default", "")) for name, each in body["Parameters"].items()}
    return {name: given.get(name, deployed.get(name, value)) for name, value in defaults.items()}


def problems(body: Template, given: Mapping[str, str]) -> Iterator[str]:
    """Say of each given parameter that cannot be, what it may be."""
    for name, value in given.items():
        declared = body["Parameters"].get(name)
        if declared is None:
            near = difflib.get_close_matches(name, body["Parameters"], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "see infra/template.yaml"
            yield f"there is no parameter {name}; {hint}"
        elif problem := _problem(declared, value):
            yield f"{name}={value}: {problem}"


def _problem(declared: Mapping[str, Any], value: str) -> str | None:
    allowed = [str(each) for each in declared.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"it may be {', '.join(allowed)}"
    if declared["Type"] == "Number":
        return _number_problem(declared, value)
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return str(declared.get("ConstraintDescription", f"it does not match {pattern}"))
    return None


def _number_problem(declared: Mapping[str, Any], value: str) -> str | None:
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    try:
        number = float(value)
    except ValueError:
        return "it is no number"
    # Not the other way round, for "nan" is neither.
    fits = (least is None or number >= least) and (most is None or number <= most)
    return None if fits else f"it may be {least} to {most}"
