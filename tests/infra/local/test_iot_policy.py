import json

import pytest

from infra.local.iot_policy import allows

ACTION, ALIAS = "iot:AssumeRoleWithCertificate", "arn:aws:iot:r:1:rolealias/sightline-device"


def document(**statement: object) -> str:
    whole = {"Effect": "Allow", "Action": ACTION, "Resource": ALIAS, **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [whole]})


def test_what_is_named_is_allowed() -> None:
    assert allows([document()], ACTION, ALIAS)


@pytest.mark.parametrize("pattern", ["*", "arn:aws:iot:*:rolealias/*", ALIAS[:-1] + "?"])
def test_a_pattern_allows_what_it_matches(pattern: str) -> None:
    assert allows([document(Resource=["none", pattern])], ACTION, ALIAS)


def test_nothing_is_allowed_by_nothing() -> None:
    assert not allows([], ACTION, ALIAS)
    assert not allows([document(Action="iot:Connect")], ACTION, ALIAS)
    assert not allows([document(Resource=ALIAS + "2")], ACTION, ALIAS)


def test_a_bracket_is_only_a_bracket() -> None:
    assert not allows([document(Resource=ALIAS[:-1] + "[e]")], ACTION, ALIAS)


def test_a_denial_wins_wherever_it_stands() -> None:
    assert not allows([document(), document(Effect="Deny")], ACTION, ALIAS)
    assert not allows([document(Effect="Deny", Resource="*"), document()], ACTION, ALIAS)


def test_a_condition_we_do_not_judge_never_opens_anything() -> None:
    condition = {"Bool": {"x": "true"}}

    assert not allows([document(Condition=condition)], ACTION, ALIAS)
    assert not allows([document(), document(Effect="Deny", Condition=condition)], ACTION, ALIAS)
