"""A change set: what a deployment would do, before it does it."""

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from infra import template
from infra.account import Account, translated
from infra.deploying.events import Patience, Say, outlasting
from infra.deploying.stack import describe
from sightline.errors import ConfigError

Replacement = Literal["", "True", "False", "Conditional"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would happen to one resource.

    Attributes:
        action: CloudFormation's word: Add, Modify, Remove, Import, Dynamic.
        replacement: Whether a new one would take its place.
        because: The properties that change.
        holds_data: Whether it holds what nobody can make again: the template keeps it when the
            stack goes.
    """

    action: str
    name: str
    type: str
    replacement: Replacement = ""
    because: tuple[str, ...] = ()
    holds_data: bool = False

    @property
    def loses_data(self) -> bool:
        """Whether the stack would no longer have such data that it has now."""
        goes = self.action == "Remove" or self.replacement in ("True", "Conditional")
        return self.holds_data and goes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """One that was worked out, and is not yet executed."""

    id: str
    stack_id: str
    is_new_stack: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a stack is to become.

    Attributes:
        source: `TemplateBody` or `TemplateURL`, as CloudFormation's requests have them.
    """

    stack: str
    body: template.Template
    source: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def work_out(account: Account, wanted: Wanted, say: Say, patience: Patience) -> ChangeSet:
    """Have CloudFormation work out what would change; errors are boto3's, and these.

    Raises:
        ConfigError: It refuses the template or a parameter.
        TransportError: It was out of reach for too long.
    """
    cloudformation = account.client("cloudformation")
    now = describe(account, wanted.stack)
    answer = cloudformation.create_change_set(
        StackName=wanted.stack,
        ChangeSetName=f"deploy-{uuid.uuid4().hex}",
        ChangeSetType="UPDATE" if now else "CREATE",
        **wanted.source,
        Parameters=_parameters(now, wanted),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": k, "Value": v} for k, v in wanted.tags.items()],
        # A refusal ahead says only "see DescribeEvents", and takes a bucket that is to be taken up
        # again for a conflict; a resource that fails says why.
        DisableValidation=True,
        # People's data outlives a stack by its DeletionPolicy: the next one takes it up again.
        **({} if now else {"ImportExistingResources": True}),
    )
    made = ChangeSet(
        id=answer["Id"], stack_id=answer["StackId"], is_new_stack=now is None, changes=()
    )
    try:
        changes = _await(account, made.id, say, patience)
    except BaseException:
        # Where AWS is out of reach it stays; the next deployment clears it away.
        with contextlib.suppress(BotoCoreError, ClientError):
            discard(account, made, wanted.stack)
        raise
    kept = template.kept(wanted.body)
    return ChangeSet(
        id=made.id,
        stack_id=made.stack_id,
        is_new_stack=made.is_new_stack,
        changes=tuple(_read(each["ResourceChange"], kept) for each in changes),
    )


def discard(account: Account, change_set: ChangeSet, stack: str) -> None:
    """Forget a change set, and the empty stack that was made only to hold it."""
    cloudformation = account.client("cloudformation")
    cloudformation.delete_change_set(ChangeSetName=change_set.id)
    if change_set.is_new_stack:
        cloudformation.delete_stack(StackName=stack)


def _parameters(now: Mapping[str, Any] | None, wanted: Wanted) -> list[dict[str, Any]]:
    """Write parameters as CloudFormation wants them; those not given keep the value they have."""
    known = {p["ParameterKey"] for p in (now or {}).get("Parameters", [])}
    kept = [n for n in wanted.body["Parameters"] if n in known and n not in wanted.parameters]
    return [
        *({"ParameterKey": k, "ParameterValue": v} for k, v in wanted.parameters.items()),
        *({"ParameterKey": k, "UsePreviousValue": True} for k in kept),
    ]


def _await(
    account: Account, change_set: str, say: Say, patience: Patience
) -> Sequence[dict[str, Any]]:
    """Wait until it is worked out, also over a broken connection; gives what it changes."""
    cloudformation = account.client("cloudformation")

    def look() -> dict[str, Any]:
        with translated("waiting for the change set"):
            found: dict[str, Any] = cloudformation.describe_change_set(ChangeSetName=change_set)
            while token := found.get("NextToken"):
                more = cloudformation.describe_change_set(ChangeSetName=change_set, NextToken=token)
                found = {**more, "Changes": found.get("Changes", []) + more.get("Changes", [])}
        return found

    for found in outlasting(look, say, patience):
        if found["Status"] == "CREATE_COMPLETE":
            break
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates" in reason:
                return []
            raise ConfigError(f"CloudFormation refuses the template: {reason}")
    changes: list[dict[str, Any]] = found.get("Changes", [])
    return changes


def _read(raw: Mapping[str, Any], kept: frozenset[str]) -> Change:
    targets = [detail.get("Target", {}) for detail in raw.get("Details", [])]
    replacement: Replacement = raw.get("Replacement") or ""
    if targets and all(t.get("RequiresRecreation") == "Never" for t in targets):
        replacement = ""
    names = [t.get("Name") or t.get("Attribute") or "" for t in targets]
    return Change(
        action=raw["Action"],
        name=raw["LogicalResourceId"],
        type=raw["ResourceType"],
        replacement=replacement,
        because=tuple(dict.fromkeys(filter(None, names))),
        holds_data=raw["LogicalResourceId"] in kept
        or (raw["Action"] == "Remove" and raw["ResourceType"] in _MAY_HOLD_DATA),
    )


# Of one that is no longer in the template, nothing else tells.
_MAY_HOLD_DATA = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket"})
