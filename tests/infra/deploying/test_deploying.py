"""What CloudFormation may be found at or come to, by the messages that AWS documents.

Not on MiniStack: its stacks change at once, and it never loses a connection.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.account import AccessKey, Account
from infra.deploy import continue_rollback, settle
from infra.deploying.changes import Wanted, discard, work_out
from infra.deploying.events import (
    Ending,
    LeftRunning,
    Patience,
    StackEvent,
    follow,
    seen_before_this,
)
from infra.local.ports import free_port
from sightline.errors import ConfigError, TransportError
from tests.infra.stubbed import (
    AT_ONCE,
    REGION,
    STACK_ID,
    Stubbed,
    described,
    event,
    events,
    stubbed,
)

CFN = "cloudformation"


def nobody(_: str) -> None:
    """Whom nothing is said to."""


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    with stubbed() as aws:
        yield aws
        aws.all_asked()


def watch(aws: Stubbed, seen: set[str], patience: Patience = AT_ONCE) -> tuple[Ending, list[str]]:
    lines: list[str] = []
    ending = follow(
        aws.account,
        STACK_ID,
        seen,
        lambda each: lines.append(f"{each.status} {each.name}"),
        lines.append,
        patience,
    )
    return ending, lines


def test_a_failed_update_names_the_first_resource_to_fail_and_why(aws: Stubbed) -> None:
    old = event(1, "s", "CREATE_COMPLETE")
    first = [old, event(2, "s", "UPDATE_IN_PROGRESS"), event(3, "A", "UPDATE_IN_PROGRESS")]
    then = [
        event(4, "B", "UPDATE_FAILED", "Resource update cancelled"),
        event(5, "A", "UPDATE_FAILED", "the name is taken"),
        event(6, "s", "UPDATE_ROLLBACK_IN_PROGRESS", "The following failed: [A]"),
        event(7, "s", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    aws.answer(CFN, "describe_stack_events", events(*first))
    aws.answer(CFN, "describe_stack_events", events(*first, *then))

    ending, lines = watch(aws, {"1"})

    assert lines[:2] == ["UPDATE_IN_PROGRESS s", "UPDATE_IN_PROGRESS A"]
    with pytest.raises(ConfigError) as caught:
        ending.insist("s")
    assert str(caught.value) == (
        "stack s ended as UPDATE_ROLLBACK_COMPLETE, because of A (AWS::IoT::Policy): the name is "
        "taken; the stack is as it was before; mend that and deploy again"
    )


def test_an_operation_that_goes_on_is_followed_from_its_start(aws: Stubbed) -> None:
    history = [
        event(1, "s", "CREATE_IN_PROGRESS"),
        event(2, "A", "CREATE_COMPLETE"),
        event(3, "s", "CREATE_COMPLETE"),
        event(4, "s", "UPDATE_IN_PROGRESS"),
        event(5, "A", "UPDATE_IN_PROGRESS"),
    ]
    aws.answer(CFN, "describe_stacks", described("UPDATE_IN_PROGRESS"))
    aws.answer(CFN, "describe_stack_events", events(*history))
    aws.answer(CFN, "describe_stack_events", events(*history))
    done = event(6, "s", "UPDATE_COMPLETE")
    aws.answer(CFN, "describe_stack_events", events(*history, done))
    said: list[str] = []

    assert settle(aws.account, "s", said.append, patience=AT_ONCE) == "UPDATE_COMPLETE"

    assert said == [
        "stack s is being changed already (UPDATE_IN_PROGRESS); following that to its end",
        "UPDATE_IN_PROGRESS  s (AWS::CloudFormation::Stack)",
        "UPDATE_IN_PROGRESS  A (AWS::IoT::Policy)",
        "UPDATE_COMPLETE  s (AWS::CloudFormation::Stack)",
        "that ended as UPDATE_COMPLETE",
    ]


def test_the_start_of_an_operation_may_be_pages_back(aws: Stubbed) -> None:
    pages = [
        {**events(event(4, "A", "UPDATE_IN_PROGRESS")), "NextToken": "1"},
        {**events(event(3, "s", "UPDATE_IN_PROGRESS")), "NextToken": "2"},
        events(event(1, "s", "CREATE_IN_PROGRESS"), event(2, "s", "CREATE_COMPLETE")),
    ]
    for page in pages:
        aws.answer(CFN, "describe_stack_events", page)

    assert seen_before_this(aws.account, "s") == {"1", "2"}


def test_a_deletion_under_way_is_waited_for_and_then_there_is_no_stack(aws: Stubbed) -> None:
    history = [event(1, "s", "CREATE_COMPLETE"), event(2, "s", "DELETE_IN_PROGRESS")]
    aws.answer(CFN, "describe_stacks", described("DELETE_IN_PROGRESS"))
    aws.answer(CFN, "describe_stack_events", events(*history))
    aws.answer(CFN, "describe_stack_events", events(*history, event(3, "s", "DELETE_COMPLETE")))

    assert settle(aws.account, "s", lambda _: None, patience=AT_ONCE) is None


@pytest.mark.parametrize(
    ("state", "mend"),
    [
        ("UPDATE_ROLLBACK_FAILED", "./run --stack s deploy --continue-rollback"),
        ("DELETE_FAILED", "./run --stack s destroy"),
    ],
)
def test_a_state_that_needs_its_owner_is_said_with_the_way_out(
    aws: Stubbed, state: str, mend: str
) -> None:
    aws.answer(CFN, "describe_stacks", described(state))

    with pytest.raises(ConfigError, match=f"stack s is in {state}: .+{mend}"):
        settle(aws.account, "s", lambda _: None)


def test_taking_back_an_update_goes_on(aws: Stubbed) -> None:
    stuck = event(1, "s", "UPDATE_ROLLBACK_FAILED")
    aws.answer(CFN, "describe_stacks", described("UPDATE_ROLLBACK_FAILED"))
    aws.answer(CFN, "describe_stack_events", events(stuck))
    aws.answer(CFN, "continue_update_rollback", {})
    back = [event(2, "s", "UPDATE_ROLLBACK_IN_PROGRESS"), event(3, "s", "UPDATE_ROLLBACK_COMPLETE")]
    aws.answer(CFN, "describe_stack_events", events(stuck, *back))
    said: list[str] = []

    continue_rollback(aws.account, "s", said.append, patience=AT_ONCE)

    assert said[-1] == "stack s is as it was before the update"


def test_there_may_be_nothing_to_take_back(aws: Stubbed) -> None:
    aws.answer(CFN, "describe_stacks", described("UPDATE_COMPLETE"))

    with pytest.raises(ConfigError, match="UPDATE_COMPLETE: there is nothing to take back"):
        continue_rollback(aws.account, "s", lambda _: None)


def test_a_broken_connection_is_waited_out(aws: Stubbed) -> None:
    start, end = event(2, "s", "CREATE_IN_PROGRESS"), event(3, "s", "CREATE_COMPLETE")
    aws.answer(CFN, "describe_stack_events", events(start))
    aws.refuse(CFN, "describe_stack_events", "ServiceUnavailable", "later", status=503)
    aws.refuse(CFN, "describe_stack_events", "Throttling", "slow down")
    aws.answer(CFN, "describe_stack_events", events(start, end))

    ending, lines = watch(aws, set())

    assert ending == Ending(state="CREATE_COMPLETE")
    assert lines[1].startswith("AWS is out of reach; trying again (")
    assert lines[2:] == ["AWS answers again", "CREATE_COMPLETE s"]


def test_who_waits_too_long_is_told_that_it_goes_on(aws: Stubbed) -> None:
    for _ in range(3):
        aws.refuse(CFN, "describe_stack_events", "ServiceUnavailable", status=503)
    seconds = iter([0.0, 5.0, 9.0, 11.0])
    patience = Patience(sleep=lambda _: None, clock=lambda: next(seconds), out_of_reach_s=10)

    with pytest.raises(TransportError, match="the same command again follows it"):
        watch(aws, set(), patience)


def test_credentials_that_run_out_meanwhile_are_said_with_how_to_go_on(aws: Stubbed) -> None:
    aws.refuse(CFN, "describe_stack_events", "ExpiredToken", "it has expired", status=403)

    with pytest.raises(ConfigError, match=r"ExpiredToken.+the same command again follows it"):
        watch(aws, set())


def test_ctrl_c_leaves_it_running(aws: Stubbed) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(LeftRunning):
        watch(aws, set(), Patience(sleep=interrupt))


def test_pauses_grow_to_a_limit() -> None:
    slept: list[float] = []
    patience = Patience(first_s=1, slowest_s=2, sleep=slept.append)

    for count, _ in enumerate(patience.pauses()):
        if count == 3:
            break

    assert slept == [1, 1.5, 2, 2]


def wanted(**resources: dict[str, Any]) -> Wanted:
    body = {"Parameters": {}, "Resources": resources}
    return Wanted(
        stack="s", body=body, source={"TemplateBody": "{}"}, parameters={}, tags={"stack": "s"}
    )


def change(action: str, name: str, **more: Any) -> dict[str, Any]:
    raw = {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::DynamoDB::Table"}
    return {"Type": "Resource", "ResourceChange": raw | more}


def detail(name: str, recreation: str) -> dict[str, Any]:
    target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
    return {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}


def test_what_would_cost_people_their_data_is_told_from_the_rest(aws: Stubbed) -> None:
    aws.answer(CFN, "describe_stacks", described("CREATE_COMPLETE"))
    aws.answer(CFN, "create_change_set", {"Id": "c", "StackId": STACK_ID})
    changes = [
        change("Modify", "People", Replacement="True", Details=[detail("TableName", "Always")]),
        change("Modify", "Faces", Replacement="False", Details=[detail("Tags", "Never")]),
        change("Modify", "Cache", Replacement="True", Details=[detail("TableName", "Always")]),
    ]
    first = {"Status": "CREATE_COMPLETE", "Changes": changes, "NextToken": "more"}
    aws.answer(CFN, "describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
    aws.answer(CFN, "describe_change_set", first)
    rest = {"Status": "CREATE_COMPLETE", "Changes": [change("Remove", "Gone")]}
    aws.answer(CFN, "describe_change_set", rest)
    kept = {"DeletionPolicy": "RetainExceptOnCreate"}

    resources = wanted(People=kept, Faces=kept, Cache={})
    found = work_out(aws.account, resources, nobody, AT_ONCE).changes

    assert {each.name: each.loses_data for each in found} == {
        "People": True,
        "Faces": False,
        "Cache": False,
        "Gone": True,
    }
    assert found[0].because == ("TableName",)


def test_a_refused_template_leaves_no_empty_stack_behind(aws: Stubbed) -> None:
    aws.refuse(CFN, "describe_stacks", "ValidationError", "Stack with id s does not exist")
    aws.answer(CFN, "create_change_set", {"Id": "c", "StackId": STACK_ID})
    failed = {"Status": "FAILED", "StatusReason": "Circular dependency"}
    aws.answer(CFN, "describe_change_set", failed)
    aws.answer(CFN, "delete_change_set", {})
    aws.answer(CFN, "delete_stack", {})

    with pytest.raises(ConfigError, match="refuses the template: Circular dependency"):
        work_out(aws.account, wanted(), nobody, AT_ONCE)


def test_a_change_set_that_changes_nothing_is_no_failure(aws: Stubbed) -> None:
    aws.answer(CFN, "describe_stacks", described("CREATE_COMPLETE"))
    aws.answer(CFN, "create_change_set", {"Id": "c", "StackId": STACK_ID})
    same = "The submitted information didn't contain changes. Submit different information"
    aws.answer(CFN, "describe_change_set", {"Status": "FAILED", "StatusReason": same})
    aws.answer(CFN, "delete_change_set", {})

    change_set = work_out(aws.account, wanted(), nobody, AT_ONCE)
    discard(aws.account, change_set, "s")

    assert change_set.changes == ()


def test_a_connection_that_breaks_while_the_changes_are_worked_out_is_waited_out(
    aws: Stubbed,
) -> None:
    aws.answer(CFN, "describe_stacks", described("CREATE_COMPLETE"))
    aws.answer(CFN, "create_change_set", {"Id": "c", "StackId": STACK_ID})
    aws.answer(CFN, "describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
    aws.refuse(CFN, "describe_change_set", "ServiceUnavailable", "later", status=503)
    first = {"Status": "CREATE_COMPLETE", "Changes": [change("Add", "A")], "NextToken": "more"}
    aws.answer(CFN, "describe_change_set", first)
    aws.refuse(CFN, "describe_change_set", "Throttling", "slow down")  # between two pages
    aws.answer(CFN, "describe_change_set", first)
    rest = {"Status": "CREATE_COMPLETE", "Changes": [change("Add", "B")]}
    aws.answer(CFN, "describe_change_set", rest)
    said: list[str] = []

    found = work_out(aws.account, wanted(), said.append, AT_ONCE)

    assert [each.name for each in found.changes] == ["A", "B"]
    assert [line.partition(";")[0] for line in said] == ["AWS is out of reach", "AWS answers again"]


def test_a_change_set_that_cannot_be_waited_for_is_said_even_if_it_cannot_be_deleted(
    aws: Stubbed,
) -> None:
    aws.answer(CFN, "describe_stacks", described("CREATE_COMPLETE"))
    aws.answer(CFN, "create_change_set", {"Id": "c", "StackId": STACK_ID})
    aws.refuse(CFN, "describe_change_set", "ServiceUnavailable", "later", status=503)
    aws.refuse(CFN, "delete_change_set", "ServiceUnavailable", "later", status=503)
    seconds = iter([0.0, 11.0])
    patience = Patience(sleep=lambda _: None, clock=lambda: next(seconds), out_of_reach_s=10)

    with pytest.raises(TransportError, match="waiting for the change set: ServiceUnavailable"):
        work_out(aws.account, wanted(), nobody, patience)


def test_no_network_at_all_is_out_of_reach_too() -> None:
    seconds = iter([0.0, 1.0])
    patience = Patience(sleep=lambda _: None, clock=lambda: next(seconds), out_of_reach_s=0)

    key = AccessKey(key_id="AKIA", secret="x")
    no_aws = Account(region=REGION, key=key, endpoint=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(TransportError, match=r"Could not connect.+goes on at AWS"):
        follow(no_aws, STACK_ID, set(), lambda _: None, lambda _: None, patience)


def test_an_event_names_its_resource() -> None:
    raw = event(1, "A", "CREATE_COMPLETE")
    made = StackEvent(
        id="1",
        name="A",
        type="AWS::IoT::Policy",
        physical_id="physical-A",
        status="CREATE_COMPLETE",
        reason="",
        at=raw["Timestamp"],
        is_stack=False,
    )
    assert made.what == "A (AWS::IoT::Policy)"
