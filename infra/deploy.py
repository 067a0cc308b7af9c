"""Deploy `template.yaml` through CloudFormation: to AWS, or to what answers as AWS does."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra import literals, template
from infra.account import Account, translated
from infra.deploying import artifacts, belongings, parameters
from infra.deploying import stack as stacks
from infra.deploying.changes import Change, ChangeSet, Wanted, discard, work_out
from infra.deploying.events import (
    PATIENCE,
    Ending,
    Patience,
    Say,
    StackEvent,
    Watch,
    follow,
    seen_before_this,
    seen_so_far,
)
from infra.deploying.stack import exists, outputs
from infra.packaging import PROJECT, package
from sightline.errors import ConfigError

__all__ = ["Deployment", "Say", "deploy", "exists", "outputs", "settle"]

Approve = Callable[[Sequence[Change]], None]

MAX_TEMPLATE_BYTES = 51_200  # what a request may carry; S3 hands over twenty times as much


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

    @property
    def tags(self) -> dict[str, str]:
        """What everything that is made carries, for bills and for whoever finds it."""
        return {"application": "sightline", "stack": self.stack}


def deploy(
    account: Account,
    deployment: Deployment,
    say: Say,
    *,
    watch: Watch | None = None,
    approve: Approve = lambda _: None,
    patience: Patience = PATIENCE,
) -> dict[str, str]:
    """Make the stack what *deployment* says, and return its outputs.

    Args:
        say: Told of each step.
        watch: Told what happens to each resource; *say* is unless given.
        approve: Shown what would change; raises to leave everything as it is.

    Raises:
        ConfigError: CloudFormation refused it, or a resource failed; the first reason is given.
        TransportError: AWS is out of reach.
        LeftRunning: Ctrl-C was pressed while it worked.
    """
    stack, watch = deployment.stack, watch or teller(say)
    status = settle(account, stack, say, watch=watch, patience=patience)
    wanted = _wanted(account, deployment, say)
    with translated(f"deploying the stack {stack}"):
        if status in stacks.NEVER_CAME_TO_BE:
            say(f"clearing away what an earlier deployment left ({status})")
            delete(account, stack, say, watch=watch, patience=patience).insist(stack)
        change_set = work_out(account, wanted, say, patience)
        if not change_set.changes:
            discard(account, change_set, stack)
            say(f"stack {stack} is up to date")
        else:
            _execute(account, stack, change_set, say, watch, approve, patience)
            say(f"stack {stack} is deployed")
    made = outputs(account, stack)
    if change_set.is_new_stack:
        for thing in belongings.take_up(account, stack):
            say(f"{thing}, a device of an earlier stack {stack}, has its rights again")
    return made


def settle(
    account: Account,
    stack: str,
    say: Say,
    *,
    watch: Watch | None = None,
    patience: Patience = PATIENCE,
) -> str | None:
    """Wait for what is under way already; return the stack's state then, None for no stack.

    Raises:
        ConfigError: It is in a state from which only its owner can bring it on; the text says how.
        TransportError: AWS is out of reach.
        LeftRunning: Ctrl-C was pressed.
    """
    status = come_to_rest(account, stack, say, watch=watch, patience=patience)
    if status in STUCK:
        raise ConfigError(f"stack {stack} is in {status}: {STUCK[status].format(stack=stack)}")
    return status


STUCK = {
    "UPDATE_ROLLBACK_FAILED": "an update failed, and so did taking it back; see why in its events, "
    "mend that, then ./run --stack {stack} deploy --continue-rollback",
    "DELETE_FAILED": "it is half deleted; finish that with ./run --stack {stack} destroy",
}


def come_to_rest(
    account: Account,
    stack: str,
    say: Say,
    *,
    watch: Watch | None = None,
    patience: Patience = PATIENCE,
) -> str | None:
    """Follow what is under way already to its end; return the stack's state then, None for none.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
        LeftRunning: Ctrl-C was pressed.
    """
    with translated(f"looking for the stack {stack}"):
        found = stacks.describe(account, stack)
        if found is None:
            return None
        status, name = str(found["StackStatus"]), found["StackId"]
        if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
            return status
        say(f"stack {stack} is being changed already ({status}); following that to its end")
        seen = seen_before_this(account, name)
        ending = follow(account, name, seen, watch or teller(say), say, patience)
    said = f" because of {ending.because}" if ending.because else ""
    say(f"that ended as {ending.state}{said}")
    return None if ending.state == "DELETE_COMPLETE" else ending.state


def continue_rollback(
    account: Account,
    stack: str,
    say: Say,
    *,
    watch: Watch | None = None,
    patience: Patience = PATIENCE,
) -> None:
    """Go on taking back an update that could be taken back only in part.

    Raises:
        ConfigError: There is none, or it fails again; the first reason is given.
        TransportError: AWS is out of reach.
    """
    with translated(f"taking back the update of the stack {stack}"):
        found = stacks.describe(account, stack)
        if found is None or found["StackStatus"] != "UPDATE_ROLLBACK_FAILED":
            state = found["StackStatus"] if found else "not there"
            raise ConfigError(f"stack {stack} is {state}: there is nothing to take back")
        seen = seen_so_far(account, found["StackId"])
        account.client("cloudformation").continue_update_rollback(StackName=stack)
        ending = follow(account, found["StackId"], seen, watch or teller(say), say, patience)
    if ending.state != "UPDATE_ROLLBACK_COMPLETE":
        ending.insist(stack)
    say(f"stack {stack} is as it was before the update")


def delete(
    account: Account, stack: str, say: Say, *, watch: Watch, patience: Patience = PATIENCE
) -> Ending:
    """Have CloudFormation delete a stack that is there, and follow it; errors are boto3's."""
    name = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    seen = seen_so_far(account, name)
    account.client("cloudformation").delete_stack(StackName=stack)
    return follow(account, name, seen, watch, say, patience)


def teller(say: Say) -> Watch:
    """Make what tells each event as a line."""

    def tell(event: StackEvent) -> None:
        say(f"{event.status}  {event.what}")

    return tell


def literal_body(account: Account, deployment: Deployment) -> template.Template:
    """The template as it goes to the place, with the names of what outlives a stack written out."""
    body, _ = template.leave_out(template.load(), deployment.left_out)
    deployed = stacks.parameters(account, deployment.stack)
    values = parameters.effective(body, deployment.parameters, deployed)
    return literals.with_literal_names(body, literals.names(account, deployment.stack, values))


def template_source(
    account: Account, deployment: Deployment, body: template.Template
) -> dict[str, str]:
    """Hand the template over: in the request, or by way of the code bucket if it is too long.

    Raises:
        ConfigError: The bucket cannot be made or written.
        TransportError: AWS is out of reach.
    """
    text = json.dumps(body, separators=(",", ":")).encode()
    if len(text) <= MAX_TEMPLATE_BYTES:
        return {"TemplateBody": text.decode()}
    return {"TemplateURL": artifacts.put_template(account, deployment.stack, text, deployment.tags)}


def _wanted(account: Account, deployment: Deployment, say: Say) -> Wanted:
    """Bring code and template to where CloudFormation finds them, and say what it is to make."""
    for each in template.leave_out(template.load(), deployment.left_out)[1]:
        say(f"left out here: {each.name} ({each.type})")
    body = literal_body(account, deployment)
    return Wanted(
        stack=deployment.stack,
        body=body,
        source=template_source(account, deployment, body),
        parameters=_with_code(account, deployment, say),
        tags=deployment.tags,
    )


def _with_code(account: Account, deployment: Deployment, say: Say) -> dict[str, str]:
    """The parameters, with where the code lies; it is uploaded if it has to be."""
    given = dict(deployment.parameters)
    kind = given.get("PackageType")
    if kind is None:
        kind = stacks.parameters(account, deployment.stack).get("PackageType", "Zip")
    if kind == "Zip":
        code = package(deployment.code_root)
        bucket, key, uploaded = artifacts.upload(account, deployment.stack, code, deployment.tags)
        if uploaded:
            say(f"uploaded the code, {len(code.data) // 1024} KiB, as {code.digest[:12]}")
        given |= {"CodeBucket": bucket, "CodeKey": key}
    return given


def _execute(
    account: Account,
    stack: str,
    change_set: ChangeSet,
    say: Say,
    watch: Watch,
    approve: Approve,
    patience: Patience,
) -> None:
    try:
        approve(change_set.changes)
    except BaseException:
        discard(account, change_set, stack)
        raise
    seen = seen_so_far(account, change_set.stack_id)
    # With a token, so that one whose answer was lost can be asked for again.
    account.client("cloudformation").execute_change_set(
        ChangeSetName=change_set.id, ClientRequestToken=uuid.uuid4().hex
    )
    follow(account, change_set.stack_id, seen, watch, say, patience).insist(stack)
