"""Whether IoT policies allow an action outside MQTT, as the credentials provider asks.

Source: AWS IoT Core policies; an explicit Deny wins, and what nothing allows is denied.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


def allows(documents: Iterable[str], action: str, resource: str) -> bool:
    """Whether the policies, together, allow *action* on *resource*.

    A condition, or a variable, is not looked into: an Allow that has one does not count, and a Deny
    that has one does.
    """
    allowed = False
    for document in documents:
        for statement in _list(json.loads(document).get("Statement", [])):
            if not _matches(statement, action, resource):
                continue
            if statement["Effect"] == "Deny":
                return False
            allowed = allowed or "Condition" not in statement
    return allowed


def _matches(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return any(
        _like(pattern.lower(), action.lower()) for pattern in _list(statement.get("Action", []))
    ) and any(_like(pattern, resource) for pattern in _list(statement.get("Resource", [])))


def _like(pattern: str, text: str) -> bool:
    """Match `*` and `?` alone: `fnmatch` would take brackets for more."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
