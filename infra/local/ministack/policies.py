"""Policies evaluated as AWS does, and a root key that is one. Runs inside MiniStack.

- `${credentials-iot:ThingName}` works in a role's policy, as the credentials provider of AWS IoT
  sets it: MiniStack knows the key neither as a variable nor as a condition. The thing's name comes
  as a session tag, which `infra/local/credentials_endpoint.py` sets.
- A request counts as one over TLS: the bucket's and the queue's policies refuse all others, and
  nobody can listen in on loopback.
- The root key is a key: MiniStack lets in as the account's owner whoever names it, signs with
  anything, signs as `test`, or does not sign at all. On a machine of several users that is all.
"""

import dataclasses
import os
from typing import Any

THING_TAG = "credentials-iot:ThingName"


def teach_policies() -> None:
    """Have policies evaluated as AWS does where a device's credentials are concerned."""
    from ministack.core import iam_evaluator

    tag = f"aws:principaltag/{THING_TAG.lower()}"
    variable = "${" + THING_TAG + "}"
    resolve, first_match = iam_evaluator._resolve_condition_key, iam_evaluator._first_match
    trusts = iam_evaluator.evaluate_trust_policy

    def resolve_key(key: str, ctx: Any) -> Any:
        if key.lower() == "aws:securetransport":
            return "true"
        if key.lower() == THING_TAG.lower():
            return ctx.principal_keys.get(tag)
        return resolve(key, ctx)

    def first_match_of_thing(ctx: Any, statements: list[Any], effect: str) -> Any:
        thing = ctx.principal_keys.get(tag)
        if thing is not None:  # without one the variable stays, and matches no resource
            statements = [
                dataclasses.replace(s, resources=[r.replace(variable, thing) for r in s.resources])
                for s in statements
            ]
        return first_match(ctx, statements, effect)

    def evaluate_trust_policy(document: Any, caller: str, ctx: Any = None) -> Any:
        # The real provider sets the variable itself; only ours needs a tag for it.
        if ctx is not None and ctx.action == "sts:TagSession" and ctx.tag_keys == [THING_TAG]:
            ctx = dataclasses.replace(ctx, action="sts:AssumeRole")
        return trusts(document, caller, ctx)

    iam_evaluator._resolve_condition_key = resolve_key
    iam_evaluator._first_match = first_match_of_thing
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy


def lock_root() -> None:
    """Let in as root only who signs with the root key's secret."""
    from ministack.core import iam_evaluator

    root = os.environ["AWS_ACCESS_KEY_ID"]

    def is_root_access_key(key: str) -> bool:
        return key == root

    def skips_verification(_key: str) -> bool:
        return False

    iam_evaluator.is_root_access_key = is_root_access_key
    iam_evaluator._is_root_key = skips_verification
