"""`status`, `env`, `redrive`, `cost`: a stack in use."""

import shlex
import sys
from typing import Annotated

import typer
from rich.progress import Progress

from infra import template
from infra.cli.console import err, out, print_json, print_table, say
from infra.cli.context import chosen, target
from infra.cli.status_page import show
from infra.deploying import parameters
from infra.deploying import stack as stacks
from infra.operating import redrive
from infra.operating import status as stack_status
from infra.operating.bill import Estimate
from infra.operating.cost import Use, estimate
from infra.operating.prices import read_prices
from infra.operating.redrive import Letters
from infra.target import Target
from sightline.errors import ConfigError, SightlineError

app = typer.Typer()


@app.command(epilog="Example: ./run --stack sightline --region eu-central-1 status")
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Show how the stack is: functions, devices, dead letters, last results, alarms."""
    found = stack_status.read(target(context))
    if as_json:
        print_json(stack_status.as_json(found))
    else:
        show(found)


@app.command(epilog='Example: eval "$(./run env)"; aws s3 ls')
def env(context: typer.Context) -> None:
    """Print what any AWS client needs to reach the stack of this machine, for a shell to take up.

    The keys are this machine's own: they open everything there, and nothing elsewhere.
    """
    facts = target(context).facts
    if facts is None:
        raise ConfigError("on AWS its clients have your credentials already; leave out --stack")
    given = {
        "AWS_ENDPOINT_URL": facts.endpoint,
        "AWS_ACCESS_KEY_ID": facts.root_key_id,
        "AWS_SECRET_ACCESS_KEY": facts.root_secret,
        "AWS_DEFAULT_REGION": facts.region,
    }
    for name, value in given.items():
        out.print(f"export {name}={shlex.quote(value)}", markup=False, soft_wrap=True)


@app.command("redrive", epilog="Example: ./run --stack sightline redrive --max 100")
def redrive_(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    most: Annotated[int, typer.Option("--max", min=1, help="At most so many.")] = 1000,
) -> None:
    """Send dead letters round again, once what made them fail is mended."""
    if not yes and not sys.stdin.isatty():
        raise ConfigError("there is nobody to ask: say ./run redrive --yes")
    where = target(context)
    letters = redrive.collect(where, most=most)
    for letter in letters.unknown:
        say(f"left in the queue: {letter.id}, {letter.reason}")
    for reason, count in letters.reasons:
        say(f"{count:>6}  {reason}")
    if not letters.known:
        redrive.put_back(where, letters)
        say("there are no dead letters to send round again")
        return
    if not yes:
        _ask(where, letters)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("sending", total=len(letters.known))
        sent = redrive.send(where, letters, tell=lambda _: progress.advance(task))
    say(f"{sent} sent round again; answers come on each device's results, and as videos' results")


@app.command(epilog="Example: ./run cost --devices 4 --fps 2 --gate 0.03")
def cost(
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=0, help="Cameras.")] = 1,
    fps: Annotated[float, typer.Option(min=0, help="Frames a second that a camera takes.")] = 2.0,
    gate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of them that its gate lets through.")
    ] = 0.03,
    hours: Annotated[float, typer.Option(min=0, max=24, help="Hours a day.")] = 24.0,
    faces: Annotated[float, typer.Option(min=0, help="Known people in a frame, on average.")] = 0.5,
    frame_kb: Annotated[float, typer.Option(min=1, help="Size of a frame's JPEG.")] = 60.0,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="The function's time for a frame.")
    ] = None,
    memory_mb: Annotated[int | None, typer.Option(min=128, help="The function's memory.")] = None,
    video_hours: Annotated[
        float, typer.Option(min=0, help="Hours of video that are uploaded in a month.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Estimate what a month on AWS costs, by service, from the stack's configuration."""
    deployed = _deployed(context)
    values = parameters.effective(template.load(), {}, deployed)
    if memory_mb is not None:
        values["MemoryMb"] = str(memory_mb)
    use = Use.of(
        values,
        devices=devices,
        fps=fps,
        gate=gate,
        hours=hours,
        faces=faces,
        frame_kb=frame_kb,
        seconds=seconds,
        video_hours=video_hours,
    )
    found = estimate(use, read_prices())
    if as_json:
        print_json(found.as_json())
    else:
        _show_cost(found, of="as deployed" if deployed else "the template's defaults")


def _ask(where: Target, letters: Letters) -> None:
    try:
        typer.confirm(f"Send {len(letters.known)} round again?", abort=True, err=True)
    except typer.Abort:
        redrive.put_back(where, letters)
        say("nothing was sent; all are back in the queue")
        raise


def _deployed(context: typer.Context) -> dict[str, str]:
    """The parameters of the stack that the command means, none if there is no such stack."""
    choice = chosen(context)
    try:
        where = target(context)
        return stacks.parameters(where.account, where.stack)
    except SightlineError:
        if choice.stack is not None:  # somebody named it, so it should be there
            raise
        return {}


def _show_cost(found: Estimate, *, of: str) -> None:
    out.print(
        f"USD a month in {found.region}, prices of {found.prices_of}; configuration: {of}",
        soft_wrap=True,
    )
    rows = [
        [line.service, line.what, f"{_amount(line.quantity)} {line.unit}", f"{line.usd:,.2f}"]
        for line in found.lines
        if line.quantity
    ]
    rows.append(["[bold]all[/]", "", "", f"[bold]{found.usd:,.2f}[/]"])
    print_table(("service", "for", "how much", "USD"), rows, empty="nothing")
    for remark in found.remarks:
        out.print(remark, markup=False, soft_wrap=True)


def _amount(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 10 else f"{quantity:.2g}"
