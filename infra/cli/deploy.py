"""`deploy`, `destroy`: a stack on AWS."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from infra.account import Account
from infra.cli.console import err, print_json, say
from infra.cli.context import Choice, chosen, pairs
from infra.cli.engine_change import warn_of_change
from infra.cli.progress import Progress
from infra.deploy import Deployment, continue_rollback, settle
from infra.deploy import deploy as deploy_stack
from infra.deploying.changes import Change
from infra.deploying.checks import check
from infra.deploying.container import Builder, Images
from infra.deploying.events import LeftRunning
from infra.destroy import destroy as destroy_stack
from infra.destroy import destroyable
from infra.enrolling import engine_of
from infra.imaging.layout import Kind
from infra.local.removal import remove_state
from infra.target import Target
from sightline.errors import ConfigError

app = typer.Typer()

STOPPED = 130  # as a shell says it of a program that Ctrl-C ended


@app.command(epilog="Example: ./run --stack sightline --region eu-central-1 deploy")
def deploy(
    context: typer.Context,
    image_uri: Annotated[
        str, typer.Option(help="The functions' image in ECR, instead of building one.")
    ] = "",
    video_image_uri: Annotated[
        str, typer.Option(help="The video function's image in ECR, instead of building one.")
    ] = "",
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A template parameter.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_image: Annotated[
        bool, typer.Option("--keep-image", help="Change all but the functions' images.")
    ] = False,
    take_back: Annotated[
        bool, typer.Option("--continue-rollback", help="First go on taking back a failed update.")
    ] = False,
    leave_out: Annotated[
        list[str] | None, typer.Option(metavar="TYPE=PROPERTY", hidden=True)
    ] = None,
) -> None:
    """Deploy the template to AWS, or bring a stack there up to date.

    Looks first whether it can work, shows what would change, and asks. --stack, --region and
    --profile, before the command, say where. Ctrl-C stops looking on, and not the deployment.
    """
    if not yes:
        _need_terminal("deploy")
    account, stack = _aws(context)
    deployment = Deployment(
        stack=stack,
        parameters=pairs("--parameter", parameter),
        left_out=pairs("--leave-out", leave_out),
    )
    with Progress() as progress, _left_running("deployment", "deploy"):
        if take_back:
            continue_rollback(account, stack, say, watch=progress.watch)
        uris: dict[Kind, str] = {"functions": image_uri, "video": video_image_uri}
        image = Images(account, deployment, _builder, uris=uris, keep=keep_image)
        _check(account, image.deployment, image)
        settle(account, stack, say, watch=progress.watch)
        outputs = deploy_stack(
            account,
            image.make(say),
            say,
            watch=progress.watch,
            approve=lambda changes: _approve(changes, stack, account.region, yes=yes),
        )
    print_json(outputs)
    _next_steps(chosen(context), stack, account)


@app.command(epilog="Example: ./run --stack sightline --region eu-central-1 destroy --everything")
def destroy(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Also people, pictures, devices, logs and images, for ever."
        ),
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="The local stack's folder, and all that is in it.")
    ] = False,
) -> None:
    """Delete a stack on AWS; pictures, people, devices and images are kept, and named.

    --everything deletes those, too.
    """
    if not yes:
        _need_terminal("destroy")
    if local:
        state = chosen(context).state
        if not yes:
            say(f"This deletes for ever: people, pictures and certificates in {state}")
            _ask_for_name(state.name)
        remove_state(state, say)
        return
    account, stack = _aws(context)
    if not yes and everything:
        lines = destroyable(account, stack)
        if lines:
            say("This deletes for ever:\n  " + "\n  ".join(lines))
            _ask_for_name(stack)
    elif not yes:
        typer.confirm(f"Delete the stack {stack} in {account.region}?", abort=True, err=True)
    with Progress() as progress, _left_running("deletion", "destroy"):
        destroy_stack(account, stack, say, everything=everything, watch=progress.watch)
    # Its certificate is no longer any good; the next `listen` makes another.
    folder = chosen(context).state / f"operator-{stack}-{account.region}"
    shutil.rmtree(folder, ignore_errors=True)


def _check(account: Account, deployment: Deployment, image: Images) -> None:
    wrong = []
    for found in check(account, deployment, image=image.check):
        style = {"ok": "green", "note": "yellow", "wrong": "bold red"}[found.verdict]
        err.print(f"[{style}]{found.verdict:<5}[/] {escape(found.line[6:])}", soft_wrap=True)
        if found.verdict == "wrong":
            wrong.append(f"{found.name}: {found.text}")
    if wrong:
        raise ConfigError(f"nothing was deployed; {wrong[0]}")


def _builder() -> Builder:
    from infra import image  # not for those who build none

    return image


def _approve(changes: Sequence[Change], stack: str, region: str, *, yes: bool) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "resource", "type", "replaced", "because of"):
        table.add_column(column, overflow="fold")
    colours = {"Add": "green", "Import": "green", "Modify": "yellow", "Remove": "red"}
    for each in changes:
        replaced = {"True": "[bold red]yes[/]", "Conditional": "[red]perhaps[/]"}
        table.add_row(
            f"[{colours.get(each.action, 'default')}]{each.action.lower()}[/]",
            escape(each.name),
            each.type.removeprefix("AWS::"),
            replaced.get(each.replacement, ""),
            escape(", ".join(each.because)),
        )
    err.print(table)
    for each in changes:
        if each.loses_data:
            err.print(
                f"[bold red]{escape(each.name)} {_fate(each)}; the old one is kept, but the "
                "stack no longer has what is in it[/]",
                soft_wrap=True,
            )
    if yes:
        return
    try:
        question = f"Make these {len(changes)} changes to {stack} in {region}?"
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        say("nothing was deployed")
        raise


def _fate(change: Change) -> str:
    if change.action == "Remove":
        return "would no longer be the stack's"
    sure = "would" if change.replacement == "True" else "may (AWS knows only when it does it)"
    return f"{sure} be replaced by an empty one"


def _next_steps(choice: Choice, stack: str, account: Account) -> None:
    where = Target.aws(stack, choice.region, choice.profile)
    warn_of_change(where, engine_of(where))
    run = f"./run --stack {stack} --region {account.region}"
    run += f" --profile {choice.profile}" if choice.profile else ""
    say(f"next:  {run} provision front-door     a camera's certificate and settings")
    say(f"       {run} people add 'Your Name' photo.jpg")
    say(f"       {run} status")


def _need_terminal(command: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(f"there is nobody to ask: say ./run {command} --yes")


def _ask_for_name(name: str) -> None:
    if typer.prompt(f"Type {name} to go on", err=True) != name:
        say("nothing was deleted")
        raise typer.Abort


@contextmanager
def _left_running(what: str, command: str) -> Iterator[None]:
    try:
        yield
    except LeftRunning:
        say(f"the {what} goes on at AWS; run {command} again to follow it")
        raise typer.Exit(STOPPED) from None
    except KeyboardInterrupt:
        say(f"stopped; run {command} again to go on")
        raise typer.Exit(STOPPED) from None


def _aws(context: typer.Context) -> tuple[Account, str]:
    choice = chosen(context)
    return Account(region=choice.region, profile=choice.profile), choice.stack or "sightline"
