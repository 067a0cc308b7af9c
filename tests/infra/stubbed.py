"""An account whose services answer from a list: for states that MiniStack does not come to."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.stub import Stubber

from infra.account import AccessKey, Account
from infra.deploying.events import Patience

REGION = "eu-central-1"
ID = "123456789012"
AT_ONCE = Patience(sleep=lambda _: None)


class StubbedAccount(Account):
    """No client of it ever sends anything: what has no answer is an error."""

    def __init__(self, stubbers: ExitStack) -> None:
        super().__init__(region=REGION, key=AccessKey(key_id="AKIA", secret="x"))
        self._open = stubbers
        self.stubbers: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        client = super().client(service)
        if service not in self.stubbers:
            self.stubbers[service] = self._open.enter_context(Stubber(client))
        return client


class Stubbed:
    """An account, and the answers that its clients will give, in order."""

    def __init__(self, stubbers: ExitStack) -> None:
        self.account = StubbedAccount(stubbers)

    def of(self, service: str) -> Stubber:
        """The answers of a service."""
        self.account.client(service)
        return self.account.stubbers[service]

    def answer(self, service: str, operation: str, answer: Mapping[str, Any]) -> None:
        self.of(service).add_response(operation, dict(answer))

    def refuse(
        self, service: str, operation: str, code: str, message: str = "", status: int = 400
    ) -> None:
        self.of(service).add_client_error(operation, code, message, http_status_code=status)

    def all_asked(self) -> None:
        """See that every answer was fetched."""
        for stubber in self.account.stubbers.values():
            stubber.assert_no_pending_responses()


@contextmanager
def stubbed() -> Iterator[Stubbed]:
    with ExitStack() as stubbers:
        yield Stubbed(stubbers)


STACK_ID = f"arn:aws:cloudformation:{REGION}:{ID}:stack/s/1"


def described(status: str, **more: Any) -> dict[str, Any]:
    """An answer to `describe_stacks`."""
    made = datetime(2026, 11, 21, tzinfo=UTC)
    stack = {"StackName": "s", "StackId": STACK_ID, "StackStatus": status, "CreationTime": made}
    return {"Stacks": [stack | more]}


def event(number: int, name: str, status: str, reason: str = "") -> dict[str, Any]:
    """One of the events of a stack; the stack's own is the one named s."""
    return {
        "StackId": STACK_ID,
        "EventId": str(number),
        "StackName": "s",
        "LogicalResourceId": name,
        "PhysicalResourceId": STACK_ID if name == "s" else f"physical-{name}",
        "ResourceType": "AWS::CloudFormation::Stack" if name == "s" else "AWS::IoT::Policy",
        "Timestamp": datetime(2026, 11, 21, tzinfo=UTC),
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def events(*newest_last: dict[str, Any]) -> dict[str, Any]:
    """An answer to `describe_stack_events`."""
    return {"StackEvents": list(reversed(newest_last))}
