"""`listen` and `publish`: the twin of the IoT console's MQTT test client."""

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape

from infra.cli.console import out, print_json, say
from infra.cli.context import operator
from infra.operating.operator_client import Received
from sightline.errors import MessageError
from sightline.topics import PREFIX

app = typer.Typer()


@app.command(epilog="Example: ./run listen 'sightline/v1/+/results'")
def listen(
    context: typer.Context,
    filters: Annotated[
        list[str] | None, typer.Argument(metavar="[FILTER]...", help="Topic filters.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many messages.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each.")] = False,
) -> None:
    """Show messages as they come, as the IoT console's test client does; Ctrl-C stops.

    Without a FILTER: everything of sightline's.
    """
    wanted = filters or [f"{PREFIX}/#"]
    shown = 0
    with operator(context) as client:
        client.subscribe(wanted)
        say(f"listening to {', '.join(wanted)}; Ctrl-C stops")
        try:
            for received in client.messages(seconds=seconds):
                _show(received, as_json=as_json)
                shown += 1
                if shown == count:
                    return
        except KeyboardInterrupt:
            return


@app.command(
    epilog='Example: ./run publish sightline/v1/front-door/commands \'{"command": "capture"}\''
)
def publish(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="Such as sightline/v1/front-door/frames.")],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="The message; - reads it.")],
    raw: Annotated[bool, typer.Option(help="Send it even if it is not JSON.")] = False,
) -> None:
    """Publish a message, as the IoT console's test client does, and wait for the PUBACK."""
    data = sys.stdin.buffer.read() if payload == "-" else payload.encode(errors="surrogateescape")
    if not raw:
        try:
            json.loads(data)
        except ValueError as err:
            raise MessageError(
                f"the message is not JSON ({err}); --raw sends it all the same"
            ) from err
    with operator(context) as client:
        client.publish(topic, data)
    say(f"published {len(data)} bytes to {topic}")


def _show(received: Received, *, as_json: bool) -> None:
    try:
        value = json.loads(received.payload)
    except ValueError:
        value = received.payload.decode(errors="replace")
    if as_json:
        print_json(
            {
                "topic": received.topic,
                "at": received.at.isoformat(timespec="milliseconds"),
                "retained": received.retained,
                "payload": value,
            }
        )
        return
    kept = " (retained)" if received.retained else ""
    out.print(f"[bold]{escape(received.topic)}[/]  {received.at.astimezone():%H:%M:%S.%f}{kept}")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    out.print(text, markup=False, soft_wrap=True)
