"""Things and certificates of a stack: those that its IoT policies were attached to.

AWS IoT deletes no policy that is attached, so CloudFormation cannot delete the stack's until each
certificate has let go of it. With the policy goes what says whose a certificate was; where devices
are to outlive the stack, their things are marked with its name.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, error_code, translated
from infra.deploying import remains
from infra.provisioning import certificates
from sightline.topics import topic

# Attributes of a thing that outlives its stack.
MARK = "sightline-stack"
RIGHTS = "sightline-rights"  # the policies that its certificates had


@dataclass(slots=True, kw_only=True)
class Belongings:
    """What belongs to a stack.

    Attributes:
        certificates: ARN of each certificate, with the stack's policies that it has.
        things: Names of the things that those certificates are attached to, or that are marked.
    """

    certificates: dict[str, list[str]] = field(default_factory=dict)
    things: dict[str, list[str]] = field(default_factory=dict)  # with their certificates' ARNs


def find(account: Account, stack: str) -> Belongings:
    """Look for a stack's certificates and things.

    Raises:
        ConfigError: AWS IoT does not let us look.
        TransportError: AWS is out of reach.
    """
    iot, found = account.client("iot"), Belongings()
    with translated(f"looking for the things of the stack {stack}"):
        for policy in remains.named(account, stack, "AWS::IoT::Policy", "PolicyName"):
            for arn in _targets(iot, policy):
                found.certificates.setdefault(arn, []).append(policy)
        for arn in found.certificates:
            for page in iot.get_paginator("list_principal_things").paginate(principal=arn):
                for thing in page["things"]:
                    found.things.setdefault(thing, []).append(arn)
        for thing in _marked(iot, stack):
            if thing not in found.things:
                found.things[thing] = iot.list_thing_principals(thingName=thing)["principals"]
    return found


def leave(account: Account, stack: str) -> tuple[list[str], int]:
    """Take the stack's policies from every certificate, so that they can do nothing any more.

    Returns:
        The things that are kept, and how many certificates without a thing were deleted.

    Raises:
        ConfigError: AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    iot, found = account.client("iot"), find(account, stack)
    of_things = {arn for arns in found.things.values() for arn in arns}
    with translated(f"taking rights from the devices of the stack {stack}"):
        for thing, arns in found.things.items():
            had = sorted({name for arn in arns for name in found.certificates.get(arn, [])})
            if had:  # else it was marked before
                _mark(iot, thing, {MARK: stack, RIGHTS: ",".join(had)})
        for arn, policies in found.certificates.items():
            if arn not in of_things:  # an operator's, or a claim: good for nothing else
                certificates.revoke(iot, arn)
                continue
            for policy in policies:
                iot.detach_policy(policyName=policy, target=arn)
    return sorted(found.things), len(found.certificates.keys() - of_things)


def take_up(account: Account, stack: str) -> list[str]:
    """Give devices that outlived an earlier stack of that name their rights again.

    Raises:
        ConfigError: AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    iot, things = account.client("iot"), []
    ours = set(remains.named(account, stack, "AWS::IoT::Policy", "PolicyName"))
    with translated(f"taking up the devices of the stack {stack} again"):
        for thing in _marked(iot, stack):
            had = iot.describe_thing(thingName=thing)["attributes"].get(RIGHTS, "")
            for arn in iot.list_thing_principals(thingName=thing)["principals"]:
                for policy in ours.intersection(had.split(",")):
                    iot.attach_policy(policyName=policy, target=arn)
            _mark(iot, thing, {MARK: "", RIGHTS: ""})
            things.append(thing)
    return things


def remove(account: Account, stack: str) -> tuple[list[str], int]:
    """Revoke and delete every certificate of the stack, and delete its things.

    Returns:
        The things, and how many certificates.

    Raises:
        ConfigError: AWS IoT refuses.
        TransportError: AWS is out of reach.
    """
    iot, found = account.client("iot"), find(account, stack)
    arns = set(found.certificates) | {arn for arns in found.things.values() for arn in arns}
    things = []
    with translated(f"deleting the devices of the stack {stack}"):
        for arn in arns:
            certificates.revoke(iot, arn)
        for thing in found.things:
            if iot.list_thing_principals(thingName=thing)["principals"]:
                continue  # it has a certificate that somebody else gave it
            _forget(account.client("iot-data"), thing)
            certificates.once_detached(functools.partial(iot.delete_thing, thingName=thing))
            things.append(thing)
    return sorted(things), len(arns)


def _mark(iot: Any, thing: str, attributes: dict[str, str]) -> None:
    """Set attributes; an empty one goes."""
    iot.update_thing(thingName=thing, attributePayload={"attributes": attributes, "merge": True})


def _forget(data: Any, thing: str) -> None:
    """Delete what the broker keeps of a thing: its shadow, and its last status."""
    try:
        data.delete_thing_shadow(thingName=thing)
    except ClientError as err:
        if error_code(err) != "ResourceNotFoundException":
            raise
    data.publish(topic=topic(thing, "status"), qos=1, retain=True, payload=b"")


def _targets(iot: Any, policy: str) -> Iterator[str]:
    marker: dict[str, str] = {}
    while True:
        try:
            page = iot.list_targets_for_policy(policyName=policy, **marker)
        except ClientError as err:
            if error_code(err) == "ResourceNotFoundException":
                return
            raise
        yield from page["targets"]
        if not page.get("nextMarker"):
            return
        marker = {"marker": page["nextMarker"]}


def _marked(iot: Any, stack: str) -> Iterable[str]:
    pages = iot.get_paginator("list_things").paginate(attributeName=MARK, attributeValue=stack)
    return [thing["thingName"] for page in pages for thing in page["things"]]
