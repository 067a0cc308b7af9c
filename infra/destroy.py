"""Delete a stack, and what CloudFormation leaves of it: what must go, or everything."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.account import Account, translated
from infra.deploy import come_to_rest, delete, teller
from infra.deploying import belongings, remains
from infra.deploying import stack as stacks
from infra.deploying.events import PATIENCE, Patience, Say, Watch
from infra.deploying.remains import Remain
from sightline.errors import ConfigError


@dataclass(slots=True, kw_only=True)
class _Work:
    """One destruction under way."""

    account: Account
    stack: str
    say: Say
    watch: Watch
    patience: Patience
    problems: list[str] = field(default_factory=list)

    def step(self, do: Callable[[], object]) -> None:
        """Do it, and go on without if AWS refuses."""
        try:
            do()
        except ConfigError as err:
            self.problems.append(str(err))
            self.say(f"left for now: {err}")

    def insist(self) -> None:
        """Take nothing but success."""
        if self.problems:
            others = len(self.problems) - 1
            raise ConfigError(
                f"{self.problems[0]}"
                + (f" (and {others} more)" if others else "")
                + "; all else is deleted: mend that and destroy again"
            )


def destroy(
    account: Account,
    stack: str,
    say: Say,
    *,
    everything: bool = False,
    watch: Watch | None = None,
    patience: Patience = PATIENCE,
) -> list[Remain]:
    """Delete a stack; run again it goes on, and where nothing is left it does nothing.

    Args:
        everything: Also people's data, pictures, devices, logs and images.

    Returns:
        What was kept.

    Raises:
        ConfigError: Something cannot be deleted; all else is, and the text names the first.
        TransportError: AWS is out of reach.
        LeftRunning: Ctrl-C was pressed.
    """
    work = _Work(
        account=account, stack=stack, say=say, watch=watch or teller(say), patience=patience
    )
    there = come_to_rest(account, stack, say, watch=work.watch, patience=patience) is not None
    had = stacks.parameters(account, stack)
    had_iot_log = had.get("IotLogLevel", "DISABLED") != "DISABLED"
    work.step(lambda: _devices(work, everything=everything))
    if there:
        work.step(lambda: _stack(work))
    left = remains.find(account, stack, given=had, with_iot_log=everything and had_iot_log)
    goes = left if everything else [each for each in left if each.kind == "code bucket"]
    for remain in goes:
        work.step(functools.partial(_remove, work, remain))
    work.insist()
    kept = [each for each in left if each not in goes]
    for remain in kept:
        say(f"kept: the {remain.kind} {remain.name}; {remain.why}")
    if not there and not goes:
        say(f"there is no stack {stack} in {account.region}, and nothing left to delete")
        others = [] if kept else stacks.of_application(account)
        if others:
            say(f"did you mean another --stack? there is {', '.join(others)}")
    return kept


def destroyable(account: Account, stack: str) -> list[str]:
    """Name all that `destroy(everything=True)` deletes, for somebody to decide on.

    Raises:
        ConfigError: AWS does not let us look.
        TransportError: AWS is out of reach.
    """
    found = belongings.find(account, stack)
    lines = [f"the stack {stack}"] if stacks.exists(account, stack) else []
    left = remains.find(account, stack, given=stacks.parameters(account, stack))
    lines += [f"the {each.kind} {each.name}" for each in left]
    if found.things:
        lines.append(f"{len(found.things)} device(s): {', '.join(sorted(found.things))}")
    if found.certificates:
        lines.append(f"{len(found.certificates)} certificate(s)")
    return lines


def _devices(work: _Work, *, everything: bool) -> None:
    if everything:
        things, count = belongings.remove(work.account, work.stack)
        if count or things:
            work.say(f"deleted {len(things)} thing(s) and {count} certificate(s)")
        return
    things, count = belongings.leave(work.account, work.stack)
    if count:
        work.say(f"deleted {count} certificate(s) of operators or claims")
    for thing in things:
        work.say(
            f"kept: the thing {thing} and its certificate, without any right; a new deployment "
            "takes them up again"
        )


def _stack(work: _Work) -> None:
    with translated(f"deleting the stack {work.stack}"):
        ending = delete(
            work.account, work.stack, work.say, watch=work.watch, patience=work.patience
        )
        ending.insist(work.stack)
    work.say(f"stack {work.stack} is deleted")


def _remove(work: _Work, remain: Remain) -> None:
    remains.remove(work.account, remain)
    work.say(f"deleted the {remain.kind} {remain.name}")
