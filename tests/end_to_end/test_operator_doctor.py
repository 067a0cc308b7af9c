"""What the operator's doctor finds on a real stack, when something on it is really wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device.doctor.finding import Finding
from infra.local.stack import LocalStack
from infra.operating.doctor import examine
from infra.target import Target
from tests.end_to_end.actors import Device, run_command
from tests.end_to_end.test_doctor import disabled_rule

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]


def examined(target: Target, folder: Path | None = None) -> dict[str, Finding]:
    found = examine(
        lambda: target.account,
        target.stack,
        lambda _: None,
        open_target=lambda: target,
        folder=folder,
    )
    return {finding.check: finding for finding in found.findings}


def faults(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if finding.state == "fault"]


def certificate_of(target: Target, device: Device) -> str:
    (arn,) = target.client("iot").list_thing_principals(thingName=device.thing)["principals"]
    return str(arn)


def test_a_healthy_stack_and_device_are_found_so(
    target: Target, stack: LocalStack, device: MakeDevice
) -> None:
    made = device()

    done = run_command(stack.settings.state, "doctor", made.folder, "--json")

    told = json.loads(done.out)
    states = {each["check"]: each["state"] for each in told["findings"]}
    states.pop("dead letters")  # other tests leave some
    assert set(states.values()) == {"ok"}, done.out
    assert told["sound"] is True
    assert done.status == 0
    assert (
        f"./run agent {made.folder} --doctor"
        in run_command(stack.settings.state, "doctor", made.folder).err
    )


def test_a_disabled_rule_is_told_with_the_command_that_enables_it(
    target: Target, stack: LocalStack
) -> None:
    with disabled_rule(target):
        done = run_command(stack.settings.state, "doctor")

    [line] = [line for line in done.out.splitlines() if line.startswith("fault")]
    assert "the topic rule sightline_frames is disabled" in line
    assert "`aws iot enable-topic-rule --rule-name sightline_frames`" in line
    assert done.status == 1


def test_dead_letters_are_a_warning(target: Target) -> None:
    sqs, url = target.client("sqs"), target.output("DeadLetterQueueUrl")
    sqs.send_message(QueueUrl=url, MessageBody='{"of": "the doctor\'s test"}')

    found = examined(target)["dead letters"]

    sqs.purge_queue(QueueUrl=url)
    assert found.state == "warning"
    assert "could not be served" in found.said
    assert "./run redrive" in found.mend


def test_an_alarm_that_rings_is_a_warning(target: Target) -> None:
    cloudwatch = target.client("cloudwatch")
    pages = target.client("cloudformation").get_paginator("list_stack_resources")
    [name] = [
        each["PhysicalResourceId"]
        for page in pages.paginate(StackName=target.stack)
        for each in page["StackResourceSummaries"]
        if each["LogicalResourceId"] == "RecognizeErrorsAlarm"
    ]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    try:
        found = examined(target)["alarms"]
    finally:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")

    assert (found.state, found.said) == ("warning", f"in ALARM: {name}")


def test_a_role_that_trusts_somebody_else_is_told(target: Target) -> None:
    iam, name = target.client("iam"), target.output("RoleAlias")
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    other = json.loads(json.dumps(before).replace("credentials.iot", "lambda"))
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(other))
    try:
        found = examined(target)
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))

    assert faults(found) == ["upload role"]
    assert "does not trust credentials.iot.amazonaws.com" in found["upload role"].said


def test_a_certificate_that_is_not_active_is_told(target: Target, device: MakeDevice) -> None:
    made = device()
    id_ = certificate_of(target, made).rpartition("/")[2]
    target.client("iot").update_certificate(certificateId=id_, newStatus="INACTIVE")

    found = examined(target, made.folder)

    assert faults(found) == ["certificate"]
    assert f"{id_[:12]} is INACTIVE" in found["certificate"].said
    assert found["policy"].state == "not tried"


def test_a_certificate_without_the_stacks_policy_is_told(
    target: Target, device: MakeDevice
) -> None:
    made, policy = device(), target.output("DevicePolicy")
    arn = certificate_of(target, made)
    target.client("iot").detach_policy(policyName=policy, target=arn)

    found = examined(target, made.folder)

    assert faults(found) == ["policy"]
    assert f"`aws iot attach-policy --policy-name {policy} --target {arn}`" in found["policy"].mend


def test_a_certificate_of_another_thing_is_told(target: Target, device: MakeDevice) -> None:
    made, other = device(), device()
    for name in ("certificate.pem", "private.key"):
        (made.folder / name).write_bytes((other.folder / name).read_bytes())

    found = examined(target, made.folder)

    assert faults(found) == ["certificate"]
    assert f"is attached to {other.thing}, not {made.thing}" in found["certificate"].said


def test_a_thing_that_is_gone_is_told(target: Target, device: MakeDevice) -> None:
    made = device()
    iot: Any = target.client("iot")
    iot.detach_thing_principal(thingName=made.thing, principal=certificate_of(target, made))
    iot.delete_thing(thingName=made.thing)

    found = examined(target, made.folder)

    assert faults(found) == ["thing"]
    assert found["certificate"].state == "not tried"


def test_a_folder_of_another_stack_is_told_key_by_key(target: Target, device: MakeDevice) -> None:
    made = device()
    made.configure(target.output("MediaBucket"), "elsewhere")

    found = examined(target, made.folder)

    assert faults(found) == ["folder"]
    assert "[storage] bucket is elsewhere, not " + target.output("MediaBucket") in (
        found["folder"].said
    )


def test_a_stack_that_does_not_run_is_told_in_one_fault(tmp_path: Path) -> None:
    done = run_command(tmp_path, "doctor")

    first, *rest, last = done.out.splitlines()
    assert first.startswith("fault")
    assert "no stack is running on" in first
    assert "start one with ./run up" in first
    assert all(line.startswith("not tried") for line in rest)
    assert last.startswith("1 fault")
    assert done.status == 1
