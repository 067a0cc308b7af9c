"""What is looked at before a deployment, so that it fails here and not half-way."""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from infra import template
from infra.account import Account, translated
from infra.deploy import STUCK, Deployment, literal_body, template_source
from infra.deploying import artifacts, parameters, remains
from infra.deploying import stack as stacks
from sightline.errors import ConfigError

MAX_BUCKET_NAME = 63
_STACK = re.compile(r"(?=..)[a-z][a-z0-9]*(-[a-z0-9]+)*")  # as ECR wants it, the strictest
_OF_NEW_ACCOUNTS_MB = 3008  # memory that Lambda gives a function until the account is older
_LEAST_UNRESERVED = 100  # Lambda keeps so much concurrency for functions that reserve none
_QUOTA = "Service Quotas, AWS Lambda, 'Concurrent executions' (L-B99A9384)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found: a fact, and if it is wrong what to do."""

    name: str
    verdict: Literal["ok", "note", "wrong"]
    text: str

    @property
    def line(self) -> str:
        """The finding as a line."""
        return f"{self.verdict:<5} {self.name}: {self.text}"


def check(
    account: Account, deployment: Deployment, *, image: Callable[[], Check | None] = lambda: None
) -> Iterator[Check]:
    """Look at one thing after the other; what depends on a wrong one is not looked at.

    Args:
        image: Looks at what builds the functions' image, if one is to be built.

    Raises:
        TransportError: AWS is out of reach.
    """
    first = [_parameters, _name, _region, _credentials]
    then = [_stack, _names, _quotas, _template, _neighbours]
    is_good = True
    for look in first:
        for found in _looked(look, account, deployment):
            is_good = is_good and found.verdict != "wrong"
            yield found
        if not is_good:
            return
    for look in (_image(image), *then):
        yield from _looked(look, account, deployment)


_Look = Callable[[Account, Deployment], Iterator[Check]]


def _looked(look: _Look, account: Account, deployment: Deployment) -> Iterator[Check]:
    name = look.__name__.lstrip("_")
    try:
        yield from look(account, deployment)
    except ConfigError as err:
        yield Check(name=name, verdict="wrong", text=f"{err}{_mend(str(err))}")


def _image(look: Callable[[], Check | None]) -> _Look:
    def image(_account: Account, _deployment: Deployment) -> Iterator[Check]:
        found = look()
        if found is not None:
            yield found

    return image


def _mend(text: str) -> str:
    signs = {
        "Unable to locate credentials": "sign in with `aws configure` or `aws sso login`, "
        "or name a profile with --profile",
        "Partial credentials": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "Expired": "sign in again",
        "SSO": "sign in again with `aws sso login`",
        "InvalidClientTokenId": "the access key is unknown, or the region is not enabled for this "
        "account (Account, AWS Regions)",
        "SignatureDoesNotMatch": "the secret does not belong to the access key",
    }
    return next((f"; {mend}" for sign, mend in signs.items() if sign in text), "")


def _parameters(_account: Account, deployment: Deployment) -> Iterator[Check]:
    wrong = list(parameters.problems(template.load(), deployment.parameters))
    for each in wrong:
        yield Check(name="parameter", verdict="wrong", text=each)
    if deployment.parameters and not wrong:
        said = ", ".join(f"{k}={v}" for k, v in deployment.parameters.items())
        yield Check(name="parameters", verdict="ok", text=said)


def _name(account: Account, deployment: Deployment) -> Iterator[Check]:
    stack = deployment.stack
    account_and_region = f"{12 * '0'}-{account.region}"
    longest = len(f"{stack}-media-{account_and_region}")
    if not deployment.parameters.get("BucketPrefix"):
        longest = max(longest, len(f"{stack}-{account_and_region}-stage-1"))
    if not _STACK.fullmatch(stack):
        text = (
            f"{stack!r} cannot be a stack: write two or more of a-z, 0-9 and single -, such as "
            "front-doors, for buckets and images are named after it"
        )
    elif longest > MAX_BUCKET_NAME:
        text = (
            f"{stack!r} is too long by {longest - MAX_BUCKET_NAME} characters: its buckets' names "
            f"may have {MAX_BUCKET_NAME}; --parameter BucketPrefix=… names those for videos "
            "without it"
        )
    else:
        return
    yield Check(name="stack", verdict="wrong", text=text)


def _region(account: Account, _deployment: Deployment) -> Iterator[Check]:
    session = account.session
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("iot", partition_name=partition)
    }
    if account.region in known:
        yield Check(name="region", verdict="ok", text=account.region)
        return
    near = difflib.get_close_matches(account.region, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "such as us-east-1 or eu-central-1"
    yield Check(
        name="region",
        verdict="wrong",
        text=f"AWS IoT Core is in no region {account.region!r}; give one with --region, {hint}",
    )


def _credentials(account: Account, _deployment: Deployment) -> Iterator[Check]:
    with translated("asking AWS who we are"):
        who = account.client("sts").get_caller_identity()
    yield Check(name="credentials", verdict="ok", text=f"account {who['Account']}, as {who['Arn']}")


def _stack(account: Account, deployment: Deployment) -> Iterator[Check]:
    stack = deployment.stack
    state = stacks.state(account, stack)
    verdict: Literal["ok", "note", "wrong"] = "note"
    if state is None:
        verdict, text = "ok", f"{stack} will be new"
    elif state in STUCK:
        verdict, text = "wrong", f"{stack} is in {state}: {STUCK[state].format(stack=stack)}"
    elif state in stacks.NEVER_CAME_TO_BE:
        text = f"{stack} is in {state}: that is cleared away first"
    elif state.endswith("_IN_PROGRESS"):
        text = f"{stack} is in {state}: that is followed to its end first"
    else:
        verdict, text = "ok", f"{stack} is there ({state}), and is updated"
    yield Check(name="stack", verdict=verdict, text=text)


def _names(account: Account, deployment: Deployment) -> Iterator[Check]:
    stack = deployment.stack
    given = {**stacks.parameters(account, stack), **deployment.parameters}
    media = remains.named(account, stack, "AWS::S3::Bucket", "BucketName", given)
    is_new = not stacks.exists(account, stack)
    wrong = False
    for bucket in (*media, artifacts.bucket_name(account, stack)):
        owner = artifacts.owner(account, bucket)
        if owner is None:
            continue
        by_prefix = bucket.endswith(remains.VIDEO_BUCKETS) and given.get("BucketPrefix")
        chooses = "--parameter BucketPrefix=…" if by_prefix else "--stack"
        if owner == "":
            text = (
                f"the bucket name {bucket} is taken by another account, or you lack s3:ListBucket; "
                f"choose another {chooses}"
            )
        elif owner not in (stack, "nobody"):
            text = f"the bucket {bucket} belongs to the stack {owner}; choose another {chooses}"
        else:
            if is_new and bucket in media:
                text = f"the bucket {bucket} is there already, and is taken up"
                yield Check(name="names", verdict="note", text=text)
            continue
        wrong = True
        yield Check(name="names", verdict="wrong", text=text)
    if not wrong:
        yield Check(name="names", verdict="ok", text="no bucket's name is taken by anybody else")


def _quotas(account: Account, deployment: Deployment) -> Iterator[Check]:
    stack = deployment.stack
    deployed = stacks.parameters(account, stack)
    values = parameters.effective(template.load(), deployment.parameters, deployed)
    with translated("asking for Lambda's quotas"):
        limit = account.client("lambda").get_account_settings()["AccountLimit"]
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    wanted = int(float(values.get("ReservedConcurrency") or 0))
    had = int(float(deployed.get("ReservedConcurrency") or 0))
    most = max(0, free + had - min(_LEAST_UNRESERVED, total))
    if wanted > most:
        yield Check(
            name="quotas",
            verdict="wrong",
            text=f"ReservedConcurrency={wanted}, but this account can reserve {most} of its "
            f"{total}; deploy with --parameter ReservedConcurrency={most}, or ask for more: "
            f"{_QUOTA}",
        )
    elif total < _LEAST_UNRESERVED:
        text = f"{total} frames at once in this new account; for more: {_QUOTA}"
        yield Check(name="quotas", verdict="note", text=text)
    else:
        yield Check(name="quotas", verdict="ok", text=f"{free} of {total} functions at once free")
    memory = int(float(values.get("MemoryMb") or 0))
    if memory > _OF_NEW_ACCOUNTS_MB:
        text = f"MemoryMb={memory}; new accounts may be refused more than {_OF_NEW_ACCOUNTS_MB}"
        yield Check(name="quotas", verdict="note", text=text)


def _template(account: Account, deployment: Deployment) -> Iterator[Check]:
    body = literal_body(account, deployment)
    source = template_source(account, deployment, body)
    with translated("having CloudFormation look at the template"):
        account.client("cloudformation").validate_template(**source)
    count = len(body["Resources"])
    yield Check(name="template", verdict="ok", text=f"{count} resources; CloudFormation reads it")


def _neighbours(account: Account, deployment: Deployment) -> Iterator[Check]:
    """An account has one broker in a region, and a rule hears all that is sent to it."""
    others = [name for name in stacks.of_application(account) if name != deployment.stack]
    if others:
        yield Check(
            name="neighbours",
            verdict="note",
            text=f"{', '.join(others)} in this account and region hears the same broker: each "
            "stack is sent the other's frames too, and refuses them (no_such_object); another "
            "--region or account keeps them apart",
        )
