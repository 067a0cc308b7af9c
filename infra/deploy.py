"""Deploy `template.yaml` through CloudFormation: to AWS, or to what answers as AWS does."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra import artifacts, template
from infra.account import Account, error_code, translated
from infra.packaging import PROJECT, package
from sightline.errors import ConfigError

Say = Callable[[str], None]

MAX_TEMPLATE_BYTES = 51_200  # what a request may carry
_SLOWEST_POLL_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What to deploy.

    Attributes:
        parameters: The template's; those not given keep the value they have.
        left_out: Types that the place does not know, with the property that names each.
        code_root: Holds the folders that are the functions' code.
    """

    stack: str = "sightline"
    parameters: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    code_root: Path = PROJECT


def deploy(account: Account, deployment: Deployment, say: Say) -> dict[str, str]:
    """Make the stack what *deployment* says, and return its outputs.

    Raises:
        ConfigError: CloudFormation refused it, or a resource failed; the first reason is given.
        TransportError: AWS is out of reach.
    """
    stack = deployment.stack
    body, gone = template.leave_out(template.load(), deployment.left_out)
    for each in gone:
        say(f"left out here: {each.name} ({each.type})")
    body = template.with_literal_names(
        body,
        {
            "AWS::StackName": stack,
            "AWS::Region": account.region,
            "AWS::AccountId": account.account_id(),
        },
    )
    parameters = dict(deployment.parameters)
    if parameters.get("PackageType", "Zip") == "Zip":
        code = package(deployment.code_root)
        bucket, key, uploaded = artifacts.upload(account, stack, code)
        if uploaded:
            say(f"uploaded the code, {len(code.data) // 1024} KiB, as {code.digest[:12]}")
        parameters |= {"CodeBucket": bucket, "CodeKey": key}
    with translated(f"deploying the stack {stack}"):
        status = _clear_away_failed(account, stack, say)
        if _change(account, stack, body, parameters, exists=status is not None, say=say):
            say(f"stack {stack} is deployed")
        else:
            say(f"stack {stack} is up to date")
    return outputs(account, stack)


def destroy(account: Account, stack: str, say: Say) -> None:
    """Delete the stack and its code, and say what was kept on purpose.

    Raises:
        ConfigError: There is no such stack, or a resource cannot be deleted.
        TransportError: AWS is out of reach.
    """
    cloudformation = account.client("cloudformation")
    with translated(f"deleting the stack {stack}"):
        description = _describe(account, stack)
        if description is None:
            raise ConfigError(f"there is no stack {stack} in {account.region}")
        name = description["StackId"]  # a deleted stack is known by its id alone
        seen = _events_so_far(account, name)
        cloudformation.delete_stack(StackName=stack)
        kept = _follow(account, name, seen, say)
    artifacts.remove(account, stack)
    for event in kept:
        say(
            f"kept, since it holds people's data: {event['PhysicalResourceId']} "
            f"({event['ResourceType']}); a new deployment takes it up again"
        )
    say(f"stack {stack} is deleted")


def exists(account: Account, stack: str) -> bool:
    """Tell whether there is such a stack.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    with translated(f"looking for the stack {stack}"):
        return _describe(account, stack) is not None


def outputs(account: Account, stack: str) -> dict[str, str]:
    """Read a stack's outputs.

    Raises:
        ConfigError: There is no such stack.
        TransportError: AWS is out of reach.
    """
    with translated(f"reading the stack {stack}"):
        description = _describe(account, stack)
    if description is None:
        raise ConfigError(f"there is no stack {stack} in {account.region}; deploy it first")
    return {o["OutputKey"]: o["OutputValue"] for o in description.get("Outputs", [])}


def _describe(account: Account, stack: str) -> dict[str, Any] | None:
    try:
        found = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as err:
        if error_code(err) == "ValidationError" and "does not exist" in str(err):
            return None
        raise
    description: dict[str, Any] = found[0]
    return None if description["StackStatus"] == "DELETE_COMPLETE" else description


def _clear_away_failed(account: Account, stack: str, say: Say) -> str | None:
    """Return the stack's status, None for none; one that never came to be is deleted."""
    description = _describe(account, stack)
    if description is None:
        return None
    status: str = description["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"):
        say(f"clearing away what an earlier deployment left ({status})")
        seen = _events_so_far(account, description["StackId"])
        account.client("cloudformation").delete_stack(StackName=stack)
        _follow(account, description["StackId"], seen, say)
        return None
    if status.endswith("_IN_PROGRESS"):
        raise ConfigError(f"stack {stack} is being changed ({status}); try again when that is over")
    return status


def _change(
    account: Account,
    stack: str,
    body: template.Template,
    parameters: Mapping[str, str],
    *,
    exists: bool,
    say: Say,
) -> bool:
    """Apply a change set; says whether there was anything to change."""
    cloudformation = account.client("cloudformation")
    text = json.dumps(body, separators=(",", ":"))
    if len(text.encode()) > MAX_TEMPLATE_BYTES:
        raise ConfigError(f"the template is over {MAX_TEMPLATE_BYTES} bytes; split it")
    answer = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"deploy-{uuid.uuid4().hex}",
        ChangeSetType="UPDATE" if exists else "CREATE",
        TemplateBody=text,
        Parameters=_parameters(account, stack, body, parameters),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": "application", "Value": "sightline"}],
        # A refusal ahead says only "see DescribeEvents", and takes a bucket that is to be taken up
        # again for a conflict; a resource that fails says why.
        DisableValidation=True,
        # People's data outlives a stack by its DeletionPolicy: the next one takes it up again.
        **({} if exists else {"ImportExistingResources": True}),
    )
    change_set, name = answer["Id"], answer["StackId"]
    if not _await_change_set(account, change_set):
        cloudformation.delete_change_set(ChangeSetName=change_set)
        return False
    seen = _events_so_far(account, name)
    cloudformation.execute_change_set(ChangeSetName=change_set)
    _follow(account, name, seen, say)
    return True


def _parameters(
    account: Account, stack: str, body: template.Template, given: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Write parameters as CloudFormation wants them; those not given keep the value they have."""
    known = {p["ParameterKey"] for p in (_describe(account, stack) or {}).get("Parameters", [])}
    kept = [name for name in body["Parameters"] if name in known and name not in given]
    return [
        *({"ParameterKey": k, "ParameterValue": v} for k, v in given.items()),
        *({"ParameterKey": k, "UsePreviousValue": True} for k in kept),
    ]


def _await_change_set(account: Account, change_set: str) -> bool:
    """Wait until it is worked out; says whether it changes anything."""
    wait_s = 0.05
    while True:
        found = account.client("cloudformation").describe_change_set(ChangeSetName=change_set)
        if found["Status"] == "CREATE_COMPLETE":
            return bool(found.get("Changes"))
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates" in reason:
                return False
            raise ConfigError(f"CloudFormation refuses the template: {reason}")
        time.sleep(wait_s)
        wait_s = min(wait_s * 1.5, _SLOWEST_POLL_S)


def _new_events(account: Account, stack: str, seen: set[str]) -> list[dict[str, Any]]:
    """What happened since the newest of *seen*, oldest first; adds it to *seen*."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events")
    new: list[dict[str, Any]] = []
    for page in pages.paginate(StackName=stack):
        events = page["StackEvents"]  # newest first; of an old stack there are very many
        fresh = list(itertools.takewhile(lambda event: event["EventId"] not in seen, events))
        new += fresh
        if len(fresh) < len(events):
            break
    seen.update(event["EventId"] for event in new)
    new.reverse()
    return new


def _events_so_far(account: Account, stack: str) -> set[str]:
    """Ids of the newest events, for `_new_events` to go on from."""
    page = account.client("cloudformation").describe_stack_events(StackName=stack)
    return {event["EventId"] for event in page["StackEvents"]}


def _follow(account: Account, stack: str, seen: set[str], say: Say) -> list[dict[str, Any]]:
    """Say each new event until the stack comes to rest; returns those of kept resources.

    Raises:
        ConfigError: It came to rest elsewhere than was asked; names the first to fail.
    """
    wait_s, state, failed, kept = 0.05, "", "", []
    # The stack's own events, not its status: that may still be the one from before.
    while not state or state.endswith("_IN_PROGRESS"):
        time.sleep(wait_s)
        wait_s = min(wait_s * 1.5, _SLOWEST_POLL_S)
        for event in _new_events(account, stack, seen):
            status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
            what = f"{event['LogicalResourceId']} ({event['ResourceType']})"
            say(f"{status}  {what}")
            if event["PhysicalResourceId"] == event["StackId"]:
                state = status
            if status == "DELETE_SKIPPED":
                kept.append(event)
            if status.endswith("_FAILED") and not failed and "cancelled" not in reason:
                failed = f"{what}: {reason}"
    if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"):
        raise ConfigError(f"stack ended as {state}, because of {failed or 'no reason given'}")
    return kept
