"""How a stack is: itself, its functions, devices, videos, dead letters, last results and alarms.

Each part is asked for by itself, so that a missing right hides that part alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

from infra.account import error_code, translated
from infra.deploying import belongings
from infra.deploying import stack as stacks
from infra.operating.last_results import Result, last_results
from infra.operating.videos_state import VideosState, counts, videos_state
from infra.target import Target
from sightline.errors import ConfigError, MessageError
from sightline.messages import DeviceStatus, decode
from sightline.topics import parse, topic

T = TypeVar("T")

_PEEKED = 10  # messages of the queue that are looked at where its age is not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """One part, or why it is not known."""

    value: T | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The stack as CloudFormation has it."""

    name: str
    region: str
    state: str
    changed_at: datetime | None
    version: str  # of the functions' code: an image's digest, or a zip's
    engine: str
    http: str = ""  # where the HTTP API is


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionState:
    """A function, and its last hour; None where nobody counts."""

    name: str
    state: str
    last_update: str
    changed_at: str
    invocations: int | None = None
    errors: int | None = None
    throttles: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """A device by its last words; of one that was never heard there are none."""

    name: str
    state: str  # online, offline, or never heard
    at: datetime | None = None
    version: str = ""
    spooled: int | None = None
    dropped: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterState:
    """What waits in the dead-letter queue."""

    count: int
    in_flight: int
    oldest_s: int | None  # age; None: nothing there, or not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it."""

    stack: Part[StackState]
    functions: Part[list[FunctionState]]
    devices: Part[list[DeviceState]]
    videos: Part[VideosState]
    dead_letters: Part[DeadLetterState]
    results: Part[list[Result]]
    alarms: Part[list[str]]
    alarms_watched: int = field(default=0)


def read(target: Target, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Status:
    """Ask for everything.

    Raises:
        TransportError: AWS is out of reach.
    """
    stack = _part("the stack", lambda: _stack(target))
    functions = _part("functions", lambda: list(_functions(target, now())))
    devices = _part("devices", lambda: list(_devices(target)))
    names = [each.name for each in devices.value or []]
    videos = _part("videos", lambda: videos_state(target))
    dead_letters = _part("dead letters", lambda: _dead_letters(target, now()))
    results = _part("sightings", lambda: last_results(target, names))
    alarms = _part("alarms", lambda: _alarms(target))
    fired, watched = alarms.value or ([], 0)
    return Status(
        stack=stack,
        functions=functions,
        devices=devices,
        videos=videos,
        dead_letters=dead_letters,
        results=results,
        alarms=Part(value=None if alarms.error else fired, error=alarms.error),
        alarms_watched=watched,
    )


def _part(what: str, ask: Callable[[], T]) -> Part[T]:
    try:
        with translated(f"reading {what}"):
            return Part(value=ask())
    except ConfigError as err:
        return Part(error=str(err))


def _stack(target: Target) -> StackState:
    found = stacks.describe(target.account, target.stack)
    if found is None:
        raise ConfigError(f"there is no stack {target.stack} in {target.account.region}")
    given = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
    image = given.get("ImageUri", "").rpartition("@")[2].removeprefix("sha256:")
    code = given.get("CodeKey", "").rpartition("/")[2].removesuffix(".zip")
    return StackState(
        name=target.stack,
        region=target.account.region,
        state=found["StackStatus"],
        changed_at=found.get("LastUpdatedTime") or found.get("CreationTime"),
        version=(image if given.get("PackageType") == "Image" else code)[:12],
        engine=target.outputs.get("Engine", ""),
        http=target.outputs.get("HttpApi", ""),
    )


def _functions(target: Target, now: datetime) -> Iterator[FunctionState]:
    for each in stacks.resources(target.account, target.stack, "AWS::Lambda::Function"):
        name = each.physical_id
        found = target.client("lambda").get_function_configuration(FunctionName=name)
        counts = {
            metric: _last_hour(target, "AWS/Lambda", metric, {"FunctionName": name}, now, "Sum")
            for metric in ("Invocations", "Errors", "Throttles")
        }
        yield FunctionState(
            name=name,
            state=found.get("State", "Active"),
            last_update=found.get("LastUpdateStatus", ""),
            changed_at=found.get("LastModified", ""),
            invocations=counts["Invocations"],
            errors=counts["Errors"],
            throttles=counts["Throttles"],
        )


def _last_hour(
    target: Target,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    now: datetime,
    statistic: str,
) -> int | None:
    """One figure for the last hour; None where nothing was measured, or we may not see it."""
    try:
        points = target.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now,
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
    except ClientError as err:
        if "Denied" in error_code(err):
            return None
        raise
    return round(max(point[statistic] for point in points)) if points else None


def _devices(target: Target) -> Iterator[DeviceState]:
    """By the last words that the broker keeps of each, and things that never said any."""
    data, heard = target.client("iot-data"), set()
    for page in data.get_paginator("list_retained_messages").paginate():
        for each in page["retainedTopics"]:
            try:
                device, channel = parse(each["topic"])
                if channel != "status":
                    continue
                kept = data.get_retained_message(topic=topic(device, "status"))
                status = decode(DeviceStatus, kept["payload"])
            except MessageError:
                continue  # not ours; or a device's of another version
            heard.add(device)
            yield DeviceState(
                name=device,
                state=status.state,
                at=status.at,
                version=status.version,
                spooled=status.spooled,
                dropped=status.counters.dropped if status.counters else None,
            )
    for thing in sorted(set(belongings.find(target.account, target.stack).things) - heard):
        yield DeviceState(name=thing, state="never heard")


def _dead_letters(target: Target, now: datetime) -> DeadLetterState:
    url, sqs = target.output("DeadLetterQueueUrl"), target.client("sqs")
    count, in_flight = counts(sqs, url)
    age = None
    if count:
        queue = {"QueueName": url.rpartition("/")[2]}
        age = _last_hour(target, "AWS/SQS", "ApproximateAgeOfOldestMessage", queue, now, "Maximum")
        age = age if age is not None else _peek(sqs, url, now)
    return DeadLetterState(count=count, in_flight=in_flight, oldest_s=age)


def _peek(sqs: Any, url: str, now: datetime) -> int | None:
    """The greatest age among some messages, which stay as they are."""
    messages = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=_PEEKED,
        VisibilityTimeout=0,
        MessageSystemAttributeNames=["SentTimestamp"],
    ).get("Messages", [])
    sent_ms = [int(m["Attributes"]["SentTimestamp"]) for m in messages if m.get("Attributes")]
    return round(now.timestamp() - min(sent_ms) / 1000) if sent_ms else None


def _alarms(target: Target) -> tuple[list[str], int]:
    """Those that have gone off, with why; and how many there are."""
    names = [
        each.physical_id
        for each in stacks.resources(target.account, target.stack, "AWS::CloudWatch::Alarm")
    ]
    if not names:
        return [], 0
    pages = target.client("cloudwatch").get_paginator("describe_alarms")
    found = [
        alarm for page in pages.paginate(AlarmNames=names[:100]) for alarm in page["MetricAlarms"]
    ]
    fired = [a for a in found if a["StateValue"] == "ALARM"]
    said = [f"{a['AlarmName']}: {a.get('AlarmDescription') or a['StateReason']}" for a in fired]
    return said, len(found)


def as_json(status: Status) -> dict[str, Any]:
    """The status for a program to read."""
    plain: dict[str, Any] = json.loads(json.dumps(_plain(status), default=str))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return {"error": value.error} if value.error else _plain(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return dict(value) if isinstance(value, Mapping) else value
