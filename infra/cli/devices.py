"""`provision`, `rotate`, `revoke`, `deprovision`, `agent`, `put`: devices and what they send."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.account import translated
from infra.cli.console import say, tell
from infra.cli.context import PROJECT, chosen, operator, target
from infra.provision import deprovision as deprovision_thing
from infra.provision import provision as provision_thing
from infra.provisioning.fleet import provision_fleet, revoke_claim
from infra.provisioning.rotation import revoke as revoke_thing
from infra.provisioning.rotation import revoke_old as revoke_old_certificates
from infra.provisioning.rotation import rotate as rotate_thing
from infra.provisioning.serials import COLUMNS
from infra.provisioning.serials import read_file as read_serials
from sightline.errors import ConfigError
from sightline.keys import FRAMES, frame_key, is_frame_of, new_frame_id
from sightline.messages import FrameCaptured, encode
from sightline.topics import check_device, topic

app = typer.Typer()


@app.command()
def provision(
    context: typer.Context,
    thing: Annotated[
        str | None, typer.Argument(help="The device's name, such as front-door.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Its folder; certs/THING, or certs/fleet, unless given."),
    ] = None,
    camera: Annotated[
        str, typer.Option(help="picamera2, usb:0, rtsp://…, a clip or a folder of pictures.")
    ] = "picamera2",
    fleet: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Instead of a thing: a claim for N devices."),
    ] = None,
    serials: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The fleet's serial numbers, one a line, or with ,NAME."),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Call the fleet's things PREFIX-1, PREFIX-2 …")
    ] = None,
) -> None:
    """Make a device, and a folder with all it needs to connect; or a claim for a whole fleet.

    ./run provision front-door

    ./run provision --fleet 20 --serials pis.txt --prefix cam
    """
    is_fleet = fleet is not None or serials is not None
    if (thing is None) != is_fleet:
        raise ConfigError("name one device, or give --fleet N: ./run provision front-door")
    if is_fleet:
        _provision_fleet(context, fleet, serials, prefix, folder or Path("certs/fleet"), camera)
        return
    assert thing is not None  # noqa: S101 - seen above
    made = provision_thing(
        thing,
        target=target(context),
        folder=folder or Path("certs") / thing,
        camera=camera,
        say=say,
    )
    # The camera of a Pi is none of this machine's.
    here = " --camera usb:0" if camera == "picamera2" else ""
    say(f"next: ./run agent {made.folder}{here}   (or copy the folder to the Pi)")


def _provision_fleet(
    context: typer.Context,
    count: int | None,
    file: Path | None,
    prefix: str | None,
    folder: Path,
    camera: str,
) -> None:
    listed = None if file is None else read_serials(file)
    if listed is not None and count not in (None, len(listed)):
        raise ConfigError(f"{file} holds {len(listed)} serial numbers, not {count}")
    numbers = listed if listed is not None else count or 0
    made = provision_fleet(
        numbers, target=target(context), folder=folder, prefix=prefix, camera=camera, say=say
    )
    tell(",".join(COLUMNS))
    for each in made.added:
        tell(f"{each.number},{each.thing}")
    own = "" if file else "; uncomment [claim] serial in each card's device.toml"
    say(f"next: copy {made.folder} to every card, and start the agent with its device.toml{own}")


@app.command()
def rotate(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="The device's name.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Its folder; certs/THING unless given.")
    ] = None,
    revoke_old: Annotated[
        bool, typer.Option(help="Do not wait until the device has connected with the new one.")
    ] = False,
) -> None:
    """Put a new key and certificate into a device's folder; the old ones stay valid for now.

    ./run rotate front-door, copy the folder to the Pi, start its agent again, and then
    ./run revoke front-door --old
    """
    made = rotate_thing(
        thing,
        target=target(context),
        folder=folder or Path("certs") / thing,
        revoke_old=revoke_old,
        say=say,
    )
    say(f"next: copy {made.folder} to the device, and start its agent again")


@app.command()
def revoke(
    context: typer.Context,
    thing: Annotated[str | None, typer.Argument(help="The device's name.")] = None,
    old: Annotated[
        bool, typer.Option("--old", help="Only what its newest certificate has replaced.")
    ] = False,
    claim: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead of a device: the fleet's claim in FOLDER."),
    ] = None,
) -> None:
    """Throw a device out: revoke its certificates, and keep the thing.

    ./run revoke front-door
    """
    if (thing is None) == (claim is None) or (claim is not None and old):
        raise ConfigError("name one device, or a claim's folder: ./run revoke --claim certs/fleet")
    if claim is not None:
        revoke_claim(claim, target=target(context), say=say)
    elif thing is not None:
        take = revoke_old_certificates if old else revoke_thing
        take(thing, target=target(context), say=say)


@app.command()
def deprovision(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="The device's name.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Delete its folder here, too.")
    ] = None,
) -> None:
    """Take a device's right away: revoke its certificates, delete the thing.

    ./run deprovision front-door --folder certs/front-door
    """
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
    # Frames that one run leaves on their way lie with the stack, and go when its folder does.
    state = (chosen(context).state / "agents").absolute()
    environment = {"XDG_STATE_HOME": str(state), **os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([sys.executable, "-m", "device", *options], env=environment)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _: process.send_signal(number))
    raise typer.Exit(process.wait())


@app.command(epilog="Example: ./run put front-door tests/data/grace-hopper.jpg")
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
