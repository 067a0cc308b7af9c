"""`provision`, `deprovision`, `agent`, `put`: devices and what they send."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.account import translated
from infra.cli.console import say
from infra.cli.context import PROJECT, operator, target
from infra.provision import deprovision as deprovision_thing
from infra.provision import provision as provision_thing
from sightline.errors import ConfigError
from sightline.keys import FRAMES, frame_key, is_frame_of, new_frame_id
from sightline.messages import FrameCaptured, encode
from sightline.topics import check_device, topic

app = typer.Typer()


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
