"""The operator's doctor: what keeps a stack from working, each finding with its mend.

It looks and changes nothing. What only a device can see, its own doctor finds:
`python -m device --doctor` (device/doctor).
"""

import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from device.clock import utc_now
from device.doctor.finding import Examination, Finding, fault, given, ok, warning
from device.doctor.surroundings import judge_clock
from infra.account import Account, error_code, translated
from infra.deploy import STUCK
from infra.deploying import stack as stacks
from infra.operating import doctor_device
from infra.target import Target
from sightline.errors import ConfigError

STACK_CHECKS = (
    *("endpoint", "rule", "function", "videos", "dead letters", "upload role", "role alias"),
    "alarms",
)
CREDENTIALS_PROVIDER = "credentials.iot.amazonaws.com"
_TIMEOUT_S = 5.0

Names = Mapping[str, str]  # a stack's resources: name in the template -> physical id


def examine(
    open_account: Callable[[], Account],
    stack: str,
    show: Callable[[Finding], None],
    *,
    open_target: Callable[[], Target],
    folder: Path | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Examination:
    """Examine a stack, and with *folder* the device that it was made for; show each finding.

    Args:
        open_account: Gives the account, by the options of the command line.
        stack: Its name.
        show: Gets each finding as it comes.
        open_target: Gives the stack, once it is known to be there.
        folder: As `provision` made it.
        now: This machine's clock.
    """
    examination = Examination(show)
    account = examination.obtain("credentials", open_account, _credentials)
    examination.check("clock", lambda: _clock(given(account), now), needs=["credentials"])
    examination.check("stack", lambda: _state(given(account), stack), needs=["credentials"])
    rest = [*STACK_CHECKS, *(doctor_device.CHECKS if folder else ())]
    failed = next((f.check for f in examination.findings if f.state == "fault"), None)
    if account is None or examination.findings[-1].state in ("fault", "not tried"):
        examination.skip(rest, failed or "stack")
        return examination
    where = open_target()
    _examine_stack(examination, where)
    if folder is not None:
        doctor_device.examine(examination, where, folder)
    return examination


def _examine_stack(examination: Examination, where: Target) -> None:
    with translated(f"reading the resources of the stack {where.stack}"):
        found = stacks.resources(where.account, where.stack)
        names = {each.name: each.physical_id for each in found}
    for check, make in (
        ("endpoint", lambda: _endpoint(where)),
        ("rule", lambda: _rule(where, names)),
        ("function", lambda: _function(where, names)),
        ("videos", lambda: _videos(where)),
        ("dead letters", lambda: _dead_letters(where)),
        ("upload role", lambda: _upload_role(where, names)),
        ("role alias", lambda: _role_alias(where)),
        ("alarms", lambda: _alarms(where, names)),
    ):
        examination.check(check, make)


def _credentials(account: Account) -> Finding:
    with translated("asking whose credentials these are"):
        caller = account.client("sts").get_caller_identity()
    who = str(caller["Arn"]).rpartition(":")[2]
    return ok(f"{who} of account {caller['Account']}, region {account.region}")


def _clock(account: Account, now: Callable[[], datetime]) -> Finding:
    with translated("asking for the time"):
        answer = account.client("sts").get_caller_identity()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        off_s = (now() - parsedate_to_datetime(date)).total_seconds()
    except ValueError as err:
        raise ConfigError("AWS's answer has no date; is a proxy between?") from err
    return judge_clock(off_s if off_s < 0 else max(0.0, off_s - 1.0))  # cut to whole seconds


def _state(account: Account, stack: str) -> Finding:
    state = stacks.state(account, stack)
    if state is None:
        return fault(f"there is no stack {stack} in {account.region}", "`./run deploy` makes it")
    if state in stacks.NEVER_CAME_TO_BE:
        return fault(f"{stack} is {state}", "`./run deploy` clears it away and deploys anew")
    if state in STUCK:
        return fault(f"{stack} is {state}", STUCK[state].format(stack=stack))
    if state.endswith("_IN_PROGRESS"):
        return warning(f"{stack} is being changed ({state})", "`./run deploy` follows it")
    if state.endswith("_FAILED"):
        return fault(f"{stack} is {state}", "`./run deploy` again says why")
    return ok(f"{stack} is {state}")


def _endpoint(where: Target) -> Finding:
    endpoints = where.endpoints()
    host, port = endpoints.mqtt_host, endpoints.mqtt_port
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as err:
        return fault(
            f"{host}:{port} cannot be reached from here ({err.strerror or err})",
            "is a firewall or a proxy between? Devices need the port too",
        )
    return ok(f"devices connect to {host}:{port}")


def _rule(where: Target, names: Names) -> Finding:
    name = _resource(names, "FramesRule")
    with translated(f"reading the topic rule {name}"):
        rule = where.client("iot").get_topic_rule(ruleName=name)["rule"]
    if rule.get("ruleDisabled"):
        return fault(
            f"the topic rule {name} is disabled, so that no frame reaches the function",
            f"`aws iot enable-topic-rule --rule-name {name}`",
        )
    called = [action["lambda"]["functionArn"] for action in rule["actions"] if "lambda" in action]
    function = where.output("RecognizeFunction")
    if not any(arn.rpartition(":")[2] == function for arn in called):
        return fault(f"the topic rule {name} does not call {function}", "deploy the stack anew")
    if not rule.get("errorAction"):
        return warning(f"{name} loses what it cannot hand over", "deploy the stack anew")
    return ok(f"{name} is enabled and calls {function}")


def _function(where: Target, names: Names) -> Finding:
    name, client = where.output("RecognizeFunction"), where.client("lambda")
    with translated(f"reading the function {name}"):
        found = client.get_function(FunctionName=name)
        allowed = _policy(client, name)
    settings = found["Configuration"]
    state, update = settings.get("State", "Active"), settings.get("LastUpdateStatus", "Successful")
    if state == "Failed" or update == "Failed":
        said = settings.get("StateReason") or settings.get("LastUpdateStatusReason") or "no reason"
        return fault(f"{name} is {state}, its last update {update}: {said}", "deploy it anew")
    if found.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
        return fault(
            f"{name} may not run at all: its reserved concurrency is 0",
            f"`aws lambda delete-function-concurrency --function-name {name}`",
        )
    if names.get("FramesRule", "") not in allowed or "iot.amazonaws.com" not in allowed:
        return fault(f"AWS IoT may not call {name}", "deploy the stack anew")
    if state != "Active" or update != "Successful":
        return warning(f"{name} is {state}, its last update {update}", "look again in a minute")
    return ok(f"{name} is {state}, {settings['MemorySize']} MB, {settings['Timeout']} s at most")


def _policy(client: Any, name: str) -> str:
    try:
        policy: str = client.get_policy(FunctionName=name)["Policy"]
    except ClientError as err:
        if error_code(err) == "ResourceNotFoundException":
            return ""
        raise
    return policy


def _videos(where: Target) -> Finding:
    bucket, split = where.output("InputBucket"), where.output("SplitVideoFunction")
    with translated(f"reading whom the bucket {bucket} tells"):
        told = where.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    arns = [each["LambdaFunctionArn"] for each in told.get("LambdaFunctionConfigurations", [])]
    if not any(arn.rpartition(":")[2] == split for arn in arns):
        return fault(
            f"the bucket {bucket} tells {split} of no upload, so that no video is looked at",
            "deploy the stack anew; somebody may have put another notification in its place",
        )
    function = where.output("RecognizeVideoFunction")
    with translated(f"reading what feeds {function}"):
        found = where.client("lambda").list_event_source_mappings(FunctionName=function)
    states = [each.get("State", "Enabled") for each in found["EventSourceMappings"]]
    if "Enabled" not in states:
        said = states[0] if states else "gone"
        return fault(
            f"the queue of chunks is not read: its mapping to {function} is {said}",
            "`aws lambda update-event-source-mapping --enabled`, or deploy the stack anew",
        )
    return ok(f"an upload to {bucket} reaches {split}, and its chunks {function}")


def _dead_letters(where: Target) -> Finding:
    with translated("counting the dead letters"):
        counts = where.client("sqs").get_queue_attributes(
            QueueUrl=where.output("DeadLetterQueueUrl"),
            AttributeNames=["ApproximateNumberOfMessages"],
        )["Attributes"]
    waiting = int(counts["ApproximateNumberOfMessages"])
    if waiting:
        return warning(
            f"{waiting} frames or videos could not be served; each message says why",
            "mend the cause, then `./run redrive` sends them round again",
        )
    return ok("none")


def _upload_role(where: Target, names: Names) -> Finding:
    name = _resource(names, "DeviceRole")
    with translated(f"reading the role {name}"):
        role = where.client("iam").get_role(RoleName=name)["Role"]
    if CREDENTIALS_PROVIDER not in str(role["AssumeRolePolicyDocument"]):
        return fault(
            f"the role {name} does not trust {CREDENTIALS_PROVIDER}, so that no device can upload",
            "deploy the stack anew",
        )
    return ok(f"{name} trusts {CREDENTIALS_PROVIDER}")


def _role_alias(where: Target) -> Finding:
    alias = where.output("RoleAlias")
    if where.facts is not None:
        return ok(f"{alias}; on this machine the credentials endpoint itself knows it")
    with translated(f"reading the role alias {alias}"):
        found = where.client("iot").describe_role_alias(roleAlias=alias)["roleAliasDescription"]
    return ok(
        f"{alias} gives {found['roleArn'].rpartition('/')[2]} for "
        f"{found.get('credentialDurationSeconds', 3600)} s"
    )


def _alarms(where: Target, names: Names) -> Finding:
    wanted = sorted(name for logical, name in names.items() if logical.endswith("Alarm"))
    with translated("reading the alarms"):
        found = where.client("cloudwatch").describe_alarms(AlarmNames=wanted)["MetricAlarms"]
    ringing = [each["AlarmName"] for each in found if each["StateValue"] == "ALARM"]
    if ringing:
        return warning(
            f"in ALARM: {', '.join(ringing)}", "`./run status` and the function's log say more"
        )
    missing = len(wanted) - len(found)
    if missing:
        return warning(f"{missing} of {len(wanted)} alarms are gone", "deploy the stack anew")
    return ok(f"none of {len(found)} rings")


def _resource(names: Names, name: str) -> str:
    try:
        return names[name]
    except KeyError as err:
        raise ConfigError(f"the stack has no resource {name}; deploy it anew") from err
