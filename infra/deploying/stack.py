"""A CloudFormation stack as it stands: its state, parameters, outputs and resources."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, error_code, translated
from sightline.errors import ConfigError

NEVER_CAME_TO_BE = frozenset(
    {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a stack."""

    name: str  # in the template
    type: str
    physical_id: str


def describe(account: Account, stack: str) -> dict[str, Any] | None:
    """Return CloudFormation's description of a stack, None if there is none.

    Args:
        stack: Its name; or its id, by which a deleted one is known.
    """
    try:
        found = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as err:
        if error_code(err) == "ValidationError" and "does not exist" in str(err):
            return None
        raise
    description: dict[str, Any] = found[0]
    return None if description["StackStatus"] == "DELETE_COMPLETE" else description


def exists(account: Account, stack: str) -> bool:
    """Tell whether there is such a stack.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    with translated(f"looking for the stack {stack}"):
        return describe(account, stack) is not None


def of_application(account: Account) -> list[str]:
    """Name the stacks that this project deployed here; none where we may not list them.

    Raises:
        TransportError: AWS is out of reach.
    """
    pages = account.client("cloudformation").get_paginator("describe_stacks")
    with contextlib.suppress(ConfigError), translated("listing the stacks"):
        return sorted(
            stack["StackName"]
            for page in pages.paginate()
            for stack in page["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
            and {"Key": "application", "Value": "sightline"} in stack.get("Tags", [])
        )
    return []


def state(account: Account, stack: str) -> str | None:
    """Return CloudFormation's word for a stack's state, None if there is none.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    with translated(f"looking for the stack {stack}"):
        found = describe(account, stack)
    return None if found is None else str(found["StackStatus"])


def outputs(account: Account, stack: str) -> dict[str, str]:
    """Read a stack's outputs.

    Raises:
        ConfigError: There is no such stack.
        TransportError: AWS is out of reach.
    """
    with translated(f"reading the stack {stack}"):
        description = describe(account, stack)
    if description is None:
        raise ConfigError(f"there is no stack {stack} in {account.region}; deploy it first")
    return {o["OutputKey"]: o["OutputValue"] for o in description.get("Outputs", [])}


def parameters(account: Account, stack: str) -> dict[str, str]:
    """Read the values that a stack's parameters have; none if there is no stack.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    with translated(f"reading the stack {stack}"):
        found = describe(account, stack) or {}
    return {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}


def resources(account: Account, stack: str, type_: str = "") -> Iterator[Resource]:
    """Give a stack's resources, of one type or of all; errors are boto3's."""
    pages = account.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack):
        for found in page["StackResourceSummaries"]:
            if type_ in ("", found["ResourceType"]) and found.get("PhysicalResourceId"):
                yield Resource(
                    name=found["LogicalResourceId"],
                    type=found["ResourceType"],
                    physical_id=found["PhysicalResourceId"],
                )
