"""`up`, `deploy`, `destroy`, `provision`, `agent`, `put`: what exists, here or on AWS."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.account import Account, translated
from infra.cli.console import out, print_json, say, tell
from infra.cli.context import PROJECT, chosen, operator, target
from infra.deploy import Deployment, exists
from infra.deploy import deploy as deploy_stack
from infra.deploy import destroy as destroy_stack
from infra.enrolling import engine_of, open_people
from infra.provision import deprovision as deprovision_thing
from infra.provision import provision as provision_thing
from infra.reembedding import warning
from infra.target import Target
from sightline.errors import ConfigError, ModelError, TransportError
from sightline.keys import FRAMES, frame_key, is_frame_of, new_frame_id
from sightline.messages import FrameCaptured, encode
from sightline.topics import check_device, topic

app = typer.Typer()


@app.command()
def up(
    context: typer.Context,
    workers: Annotated[
        int, typer.Option(min=1, help="Frames worked on at once; a worker a core.")
    ] = os.cpu_count() or 1,
    gateway_port: Annotated[int, typer.Option(help="AWS's services; 0 takes any free one.")] = 4566,
    mqtt_port: Annotated[int, typer.Option(help="MQTT with mutual TLS.")] = 8883,
    credentials_port: Annotated[int, typer.Option(help="The IoT credentials endpoint.")] = 4567,
    lambda_port: Annotated[int, typer.Option(help="The functions.")] = 4568,
    engine: Annotated[
        str, typer.Option(help="As `./run engines` lists them.", envvar="SIGHTLINE_ENGINE")
    ] = "dlib",
) -> None:
    """Keep the whole stack running on this machine, on loopback; Ctrl-C stops all of it."""
    # Here, since they bring much along that other commands need not wait for.
    from infra.local.ministack.server import ministack_python
    from infra.local.stack import LocalSettings, LocalStack
    from sightline.faces.engines import prepare_engine

    state = chosen(context).state
    settings = LocalSettings(
        state=state,
        ministack_python=ministack_python(),
        engine_folder=prepare_engine(engine).parent,
        parameters={"Engine": engine},
        gateway_port=gateway_port,
        mqtt_port=mqtt_port,
        credentials_port=credentials_port,
        lambda_port=lambda_port,
        workers=workers,
    )
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with LocalStack(settings, say=say) as stack:
        # Not folded: a path that is broken in two can neither be read by a program nor copied.
        out.print(
            f"[bold green]up[/], state in {escape(str(state))}; Ctrl-C stops it", soft_wrap=True
        )
        _warn_of_change(Target.local(state), engine)
        tell("next, in another terminal:  ./run people add 'Your Name' photo.jpg")
        while not stop.wait(1):
            stack.check()
        say("stopping …")


@app.command()
def deploy(
    context: typer.Context,
    image_uri: Annotated[str, typer.Option(help="The function's container image in ECR.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A template parameter.")
    ] = None,
) -> None:
    """Deploy the template to AWS, or bring a stack there up to date.

    --stack, --region and --profile, before the command, say where.
    """
    account, stack = _aws(context)
    choice = chosen(context)
    parameters = {}
    for given in parameter or []:
        name, separator, value = given.partition("=")
        if not separator:
            raise ConfigError(f"--parameter {given!r}: write NAME=VALUE, such as FrameDays=3")
        parameters[name] = value
    if image_uri:
        parameters |= {"PackageType": "Image", "ImageUri": image_uri}
    elif "PackageType" not in parameters and not exists(account, stack):
        raise ConfigError(
            "give the function's container image with --image-uri: a Zip of this code alone holds "
            "neither the networks nor what runs them (--parameter PackageType=Zip insists)"
        )
    outputs = deploy_stack(account, Deployment(stack=stack, parameters=parameters), say)
    print_json(outputs)
    where = Target.aws(stack, choice.region, choice.profile)
    _warn_of_change(where, engine_of(where))


@app.command()
def destroy(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a stack on AWS; what holds people's data is kept, and named."""
    account, stack = _aws(context)
    if not yes:
        typer.confirm(f"Delete the stack {stack} in {account.region}?", abort=True, err=True)
    destroy_stack(account, stack, say)


@app.command()
def provision(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="The device's name, such as front-door.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Its folder; certs/THING unless given.")
    ] = None,
    camera: Annotated[
        str, typer.Option(help="picamera2, usb:0, rtsp://…, a clip or a folder of pictures.")
    ] = "picamera2",
    renew: Annotated[
        bool, typer.Option(help="Make a new key and certificate; revoke the old one.")
    ] = False,
) -> None:
    """Make a device: thing, key and certificate, and a folder with all it needs to connect."""
    made = provision_thing(
        thing,
        target=target(context),
        folder=folder or Path("certs") / thing,
        camera=camera,
        renew=renew,
        say=say,
    )
    # The camera of a Pi is none of this machine's.
    here = " --camera usb:0" if camera == "picamera2" else ""
    say(f"next: ./run agent {made.folder}{here}   (or copy the folder to the Pi)")


@app.command()
def deprovision(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="The device's name.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Delete its folder here, too.")
    ] = None,
) -> None:
    """Take a device's right away: revoke its certificates, delete the thing."""
    deprovision_thing(thing, target=target(context), folder=folder, say=say)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def agent(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="As `provision` made it; --help alone shows the options.")
    ],
) -> None:
    """Run a device's agent here: agent certs/front-door --camera usb:0."""
    options = [*context.args]
    if str(folder) in ("-h", "--help"):
        options = ["--help"]
    else:
        options = ["--config", str(folder / "device.toml"), *options]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([sys.executable, "-m", "device", *options], env=environment)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _: process.send_signal(number))
    raise typer.Exit(process.wait())


@app.command()
def put(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="As whose frame it goes.")],
    photo: Annotated[Path, typer.Argument(help="An image.")],
    name: Annotated[
        str | None, typer.Option(help="The key's last part, instead of a new frame's id.")
    ] = None,
) -> None:
    """Store a picture as a device's frame and publish its reference: for trying things out."""
    where, now = target(context), datetime.now(UTC)
    frame_id = new_frame_id(now)
    key = f"{FRAMES}/{thing}/{name}" if name else frame_key(thing, frame_id, now)
    if not is_frame_of(check_device(thing), key):
        raise ConfigError(f"--name {name!r}: {key} is no key of a frame of {thing}")
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise ConfigError(f"{photo} cannot be read: {error.strerror}") from error
    with translated(f"storing {key}"):
        where.client("s3").put_object(Bucket=where.output("MediaBucket"), Key=key, Body=data)
    # A frame of its own each time: the same one again would be answered from the store.
    reference = FrameCaptured(key=key, frame_id=frame_id, captured_at=now)
    with operator(context) as client:
        client.publish(topic(thing, "frames"), encode(reference))
    say(f"published a reference to {key}")
    say(f"the answer comes on {topic(thing, 'results')} or {topic(thing, 'errors')}")


def _warn_of_change(where: Target, engine: str) -> None:
    """Say who was enrolled with another engine, and what to do."""
    from sightline.faces.engines import engine_card

    try:
        line = warning(open_people(where).all(), engine_card(engine).id)
    except (ModelError, TransportError) as err:  # such as an engine that is in the image alone
        line = f"whether everybody can be recognised cannot be told here: {err}"
    if line:
        say(line)


def _aws(context: typer.Context) -> tuple[Account, str]:
    choice = chosen(context)
    return Account(region=choice.region, profile=choice.profile), choice.stack or "sightline"
