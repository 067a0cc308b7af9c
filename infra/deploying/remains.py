"""What a stack leaves in the account when CloudFormation is done: found by name, and removed."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from infra import literals, template
from infra.account import Account, error_code, translated
from infra.deploying import artifacts, parameters, registry
from sightline.errors import ConfigError

Kind = Literal["bucket", "code bucket", "table", "log group", "image repository"]

VIDEO_BUCKETS = ("-input", "-stage-1", "-output")  # what their names end in, after the prefix
IOT_LOG = "AWSIotLogsV2"  # the account's, not a stack's; made when logging is switched on
_NO_BACKUP = {"PointInTimeRecoveryEnabled": False}

WHY = {
    "bucket": "it holds pictures of people; a new deployment takes it up again",
    "table": "{what}; a new deployment takes it up again",
    "log group": "Lambda or AWS IoT made it, and it may tell what went wrong",
    "image repository": "a new deployment need not build and push again",
    "code bucket": "a new deployment need not upload again",
}


# By the ends of the tables' names.
HOLDS = {
    "people": "it holds people's names and records",
    "faces": "it holds people's embeddings",
    "sightings": "it holds who was seen where",
    "meta": "it holds the version of people's gallery",
    "videos": "it holds how far videos are",
    "keys": "it holds hashes of the HTTP API's keys",
    "serials": "it holds which devices may join the fleet, and no people's data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remain:
    """Something of a stack's that CloudFormation does not delete."""

    kind: Kind
    name: str

    @property
    def why(self) -> str:
        """Why it is kept unless everything is to go."""
        return WHY[self.kind].format(what=HOLDS.get(self.name.rpartition("-")[2], "it holds data"))


def named(
    account: Account,
    stack: str,
    type_: str,
    property_: str,
    given: Mapping[str, str] | None = None,
) -> list[str]:
    """The names that the template gives to its resources of a type, in a stack of that name.

    Args:
        account: Where it is.
        stack: Its name.
        type_: CloudFormation's.
        property_: Which one is the name.
        given: The stack's parameters, as far as they are not the defaults.
    """
    body = template.load()
    values = parameters.effective(body, given or {}, {})
    return literals.given_names(body, type_, property_, literals.names(account, stack, values))


def find(
    account: Account,
    stack: str,
    *,
    given: Mapping[str, str] | None = None,
    with_iot_log: bool = False,
) -> list[Remain]:
    """Look for all that there is in the account now.

    Args:
        given: The parameters that the stack has or had, as far as they are known.
        with_iot_log: Whether the stack had AWS IoT's logging switched on.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    with translated(f"looking for what is left of the stack {stack}"):
        return list(_find(account, stack, given or {}, with_iot_log))


def _find(
    account: Account, stack: str, given: Mapping[str, str], with_iot_log: bool
) -> Iterator[Remain]:
    dynamodb = account.client("dynamodb")
    buckets = named(account, stack, "AWS::S3::Bucket", "BucketName", given)
    for bucket in buckets:
        if _is_ours(account, stack, bucket):
            yield Remain(kind="bucket", name=bucket)
    for bucket in _of_another_prefix(account, stack, buckets):
        yield Remain(kind="bucket", name=bucket)
    for table in named(account, stack, "AWS::DynamoDB::Table", "TableName"):
        if _is_there(functools.partial(dynamodb.describe_table, TableName=table)):
            yield Remain(kind="table", name=table)
    yield from _log_groups(account, stack, with_iot_log)
    if registry.describe(account, stack) is not None:
        yield Remain(kind="image repository", name=stack)
    for name in (artifacts.bucket_name, artifacts.former_bucket_name):
        code = name(account, stack)
        if _is_ours(account, stack, code):
            yield Remain(kind="code bucket", name=code)


def _of_another_prefix(account: Account, stack: str, known: Sequence[str]) -> Iterator[str]:
    """Buckets for videos that carry the stack's tag: their prefix is forgotten with the stack."""
    try:
        pages = list(account.client("s3").get_paginator("list_buckets").paginate())
    except ClientError as err:
        if error_code(err) != "AccessDenied":
            raise
        return  # those of the names that are known are found all the same
    for name in (each["Name"] for page in pages for each in page.get("Buckets", [])):
        is_other = name.endswith(VIDEO_BUCKETS) and name not in known
        if is_other and artifacts.owner(account, name) == stack:
            yield name


def _log_groups(account: Account, stack: str, with_iot_log: bool) -> Iterator[Remain]:
    wanted = set(named(account, stack, "AWS::Logs::LogGroup", "LogGroupName"))
    wanted |= {f"/aws/lambda/{name}" for name in template.function_names(template.load(), stack)}
    wanted |= {IOT_LOG} if with_iot_log else set()
    logs = account.client("logs")
    for name in sorted(wanted):
        found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in found):
            yield Remain(kind="log group", name=name)


def _is_ours(account: Account, stack: str, bucket: str) -> bool:
    """Tell whether there is such a bucket, and it is not another stack's that has the name."""
    owner = artifacts.owner(account, bucket)
    if owner == "":
        raise ConfigError(
            f"the bucket {bucket} is another account's, or you lack s3:ListBucket and "
            "s3:GetBucketTagging on it"
        )
    return owner in (stack, "nobody")


def _is_there(look: Callable[[], object]) -> bool:
    try:
        look()
    except ClientError as err:
        if error_code(err) in ("404", "NoSuchBucket", "ResourceNotFoundException"):
            return False
        raise
    return True


def remove(account: Account, remain: Remain) -> None:
    """Delete it with all that lies in it, for ever; one that is gone is no error.

    Raises:
        ConfigError: AWS refuses.
        TransportError: AWS is out of reach.
    """
    with translated(f"deleting the {remain.kind} {remain.name}"):
        match remain.kind:
            case "bucket" | "code bucket":
                artifacts.remove_bucket(account, remain.name)
            case "table":
                _gone(lambda: _delete_table(account.client("dynamodb"), remain.name))
            case "log group":
                logs = account.client("logs")
                _gone(lambda: logs.delete_log_group(logGroupName=remain.name))
            case "image repository":
                registry.remove_repository(account, remain.name)


def _delete_table(dynamodb: Any, table: str) -> None:
    # Of a table with point-in-time recovery DynamoDB keeps a backup for 35 days after its end.
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=_NO_BACKUP)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(
        TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def _gone(delete: Callable[[], object]) -> None:
    try:
        delete()
    except ClientError as err:
        if error_code(err) not in ("ResourceNotFoundException", "TableNotFoundException"):
            raise
