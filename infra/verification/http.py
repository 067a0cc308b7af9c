"""A picture over HTTP on a real stack, and who is not let in."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import urllib3

from cloud.http.keys import Scope, issue
from cloud.http.keys_table import KeysTable
from device.doctor.finding import Finding, fault, not_tried, ok
from infra.demo.rehearsal import FILES, KNOWN, PORTRAITS
from infra.deploying import stack as stacks
from infra.target import Target
from infra.verification.props import Props
from sightline.errors import TransportError

_TIMEOUT_S = 30.0  # API Gateway's own


def answered(props: Props, name: str) -> Finding:
    """Post the portrait of *name*; then without a key, and with one that has not the scope."""
    where = props.where
    if stacks.parameters(where.account, where.stack).get("ApiAuth") == "iam":
        return not_tried("callers sign as IAM principals here; docs/http.md says how to try it")
    began = time.monotonic()
    status, body = _post(where, _key(props, "recognise"))
    took_s = time.monotonic() - began
    people = [face["person"]["name"] for face in body.get("faces", ()) if face.get("person")]
    if status != 200 or people != [name]:
        said = body.get("detail") or f"{', '.join(people) or 'nobody'} was seen"
        return fault(f"answered {status}: {said}", "see the log of the function `api`")
    for how, key, refused in (
        ("without a key", None, 401),
        ("with a key that may only read", _key(props, "read"), 403),
    ):
        status, _ = _post(where, key)
        if status != refused:
            return fault(f"{how} it was answered {status}", "deploy the stack anew, and tell us")
    return ok(f"{name}, in {took_s:.1f} s; refused without a key, and without the scope")


def _key(props: Props, scope: Scope) -> str:
    where = props.where
    table = KeysTable(where.client("dynamodb"), where.output("KeysTable"))
    key, text = issue(props.thing, [scope], now=datetime.now(UTC))
    device = f"http-{key.id}"
    props.remove_at_end(f"the rows of {device}", lambda: props.remove_sightings(device))
    props.remove_at_end(f"the frames of {device}", lambda: props.remove_frames(device))

    def remove() -> None:
        row = {"key_id": {"S": key.id}}
        where.client("dynamodb").delete_item(TableName=table.name, Key=row)

    def look() -> list[str]:
        kept = [f"key {key.id}"] if table.find(key.id) else []
        return [*kept, *props.traces_of(device)]

    props.remove_at_end(f"the key {key.id} of the HTTP API", remove, look=look)
    table.add(key)
    return text


def _post(where: Target, key: str | None) -> tuple[int, dict[str, Any]]:
    url = f"{where.output('HttpApi')}/v1/frames"
    headers = {"content-type": "image/jpeg"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    picture = (PORTRAITS / FILES[KNOWN]).read_bytes()
    try:
        answer = urllib3.request(
            "POST", url, body=picture, headers=headers, timeout=_TIMEOUT_S, retries=False
        )
        body = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as err:
        raise TransportError(f"asking {url}: {err}") from err
    return answer.status, body if isinstance(body, dict) else {}
