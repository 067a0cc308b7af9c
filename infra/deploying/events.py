"""What happens to a stack, told while it happens."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from infra.account import Account, translated
from sightline.errors import ConfigError, TransportError

Say = Callable[[str], None]
T = TypeVar("T")

GOOD_ENDS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"})
_STARTS = frozenset(
    {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"}
)
GOES_ON = "it goes on at AWS all the same; the same command again follows it"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackEvent:
    """One thing that happened to a resource, or to the stack itself."""

    id: str
    name: str  # in the template
    type: str
    physical_id: str
    status: str
    reason: str
    at: datetime
    is_stack: bool

    @property
    def what(self) -> str:
        """The resource, as errors name it."""
        return f"{self.name} ({self.type})"


Watch = Callable[[StackEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often to look, and for how long AWS may be out of reach meanwhile.

    Attributes:
        first_s: The first pause; each next is half as long again.
        slowest_s: The longest.
        out_of_reach_s: After so long without an answer, whoever waits is told.
    """

    first_s: float = 0.05
    slowest_s: float = 2.0
    out_of_reach_s: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def pauses(self) -> Iterator[None]:
        """Wait, longer each time, before giving the next turn."""
        pause_s = self.first_s
        while True:
            self.sleep(pause_s)
            yield
            pause_s = min(pause_s * 1.5, self.slowest_s)


PATIENCE = Patience()


class LeftRunning(KeyboardInterrupt):
    """Somebody stopped following what goes on at AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an operation ended.

    Attributes:
        state: The stack's.
        because: The first resource to fail, with its reason; empty for none.
        kept: Resources that were not deleted, by their DeletionPolicy.
    """

    state: str
    because: str = ""
    kept: tuple[StackEvent, ...] = ()

    def insist(self, stack: str) -> None:
        """Take nothing but success.

        Raises:
            ConfigError: It ended otherwise.
        """
        if self.state in GOOD_ENDS:
            return
        means = _MEANS.get(self.state, "")
        raise ConfigError(
            f"stack {stack} ended as {self.state}, because of {self.because or 'no reason given'}"
            + (f"; {means}" if means else "")
        )


_MEANS = {
    "ROLLBACK_COMPLETE": "what it had made is gone; mend that and deploy again",
    "UPDATE_ROLLBACK_COMPLETE": "the stack is as it was before; mend that and deploy again",
    "UPDATE_ROLLBACK_FAILED": "mend that, then ./run deploy --continue-rollback",
    "DELETE_FAILED": "mend that and destroy again",
}


def seen_so_far(account: Account, stack: str) -> set[str]:
    """Ids of the newest events, for `follow` to go on from; errors are boto3's."""
    page = account.client("cloudformation").describe_stack_events(StackName=stack)
    return {event["EventId"] for event in page["StackEvents"]}


def seen_before_this(account: Account, stack: str) -> set[str]:
    """Ids of events older than the operation under way, for `follow`; errors are boto3's."""
    older: set[str] = set()
    found = False
    pages = account.client("cloudformation").get_paginator("describe_stack_events")
    for page in pages.paginate(StackName=stack):
        for raw in page["StackEvents"]:  # newest first
            if found:
                older.add(raw["EventId"])
            else:
                event = _read(raw)
                found = event.is_stack and event.status in _STARTS
        if older:
            break
    return older


def follow(
    account: Account, stack: str, seen: set[str], watch: Watch, say: Say, patience: Patience
) -> Ending:
    """Show each event after *seen* until the stack comes to rest.

    Args:
        stack: Its id: a deleted stack is known by that alone.

    Raises:
        ConfigError: AWS lets us look no longer, such as when credentials ran out.
        TransportError: AWS was out of reach for too long.
        LeftRunning: Ctrl-C was pressed.
    """
    state, because, kept = "", "", []
    try:
        # The stack's own events, not its status: that may still be the one from before.
        for new in _batches(account, stack, seen, say, patience):
            for event in new:
                watch(event)
                if event.is_stack:
                    state = event.status
                if event.status == "DELETE_SKIPPED":
                    kept.append(event)
                failed = event.status.endswith("_FAILED") and "cancelled" not in event.reason
                if failed and not because:
                    because = f"{event.what}: {event.reason}"
            if state and not state.endswith("_IN_PROGRESS"):
                break
    except KeyboardInterrupt as err:
        raise LeftRunning from err
    return Ending(state=state, because=because, kept=tuple(kept))


def _batches(
    account: Account, stack: str, seen: set[str], say: Say, patience: Patience
) -> Iterator[list[StackEvent]]:
    def look() -> list[StackEvent]:
        with translated(f"following the stack {stack.split('/')[-2:][0]}"):
            return _new_events(account, stack, seen)

    try:
        yield from outlasting(look, say, patience)
    except (ConfigError, TransportError) as err:
        raise type(err)(f"{err}; {GOES_ON}") from err


def outlasting(look: Callable[[], T], say: Say, patience: Patience) -> Iterator[T]:
    """Look again and again, also over a broken connection; give each answer.

    Raises:
        TransportError: *look* could not reach AWS for too long.
    """
    reached_s, is_lost = patience.clock(), False
    for _ in patience.pauses():
        try:
            found = look()
        except TransportError as err:
            if patience.clock() - reached_s > patience.out_of_reach_s:
                raise
            if not is_lost:
                say(f"AWS is out of reach; trying again ({err})")
            is_lost = True
            continue
        if is_lost:
            say("AWS answers again")
        reached_s, is_lost = patience.clock(), False
        yield found


def _new_events(account: Account, stack: str, seen: set[str]) -> list[StackEvent]:
    """What happened since the newest of *seen*, oldest first; adds it to *seen*."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events")
    new: list[StackEvent] = []
    for page in pages.paginate(StackName=stack):
        events = page["StackEvents"]  # newest first; of an old stack there are very many
        fresh = list(itertools.takewhile(lambda event: event["EventId"] not in seen, events))
        new += map(_read, fresh)
        if len(fresh) < len(events):
            break
    seen.update(event.id for event in new)  # after all pages: one may have failed
    new.reverse()
    return new


def _read(raw: dict[str, Any]) -> StackEvent:
    return StackEvent(
        id=raw["EventId"],
        name=raw["LogicalResourceId"],
        type=raw["ResourceType"],
        physical_id=raw.get("PhysicalResourceId", ""),
        status=raw["ResourceStatus"],
        reason=raw.get("ResourceStatusReason", ""),
        at=raw["Timestamp"],
        is_stack=raw.get("PhysicalResourceId") == raw["StackId"],
    )
