"""What the broker and its client say, in words that an operator can act on. Pure functions."""

from collections.abc import Sequence

from sightline.errors import ConfigError, SightlineError, TransportError

# MQTT 5, sections 3.2.2.2 (CONNACK), 3.4.2.1 (PUBACK), 3.9.3 (SUBACK), 3.14.2.1 (DISCONNECT):
# from 0x80 on it is a failure, and one number means the same in all four.
FAILURE = 0x80
BAD_CREDENTIALS, NOT_AUTHORIZED, BANNED = 0x86, 0x87, 0x8A
QUOTA_EXCEEDED, TAKEN_OVER, TOO_LARGE = 0x97, 0x8E, 0x95

_NAMES = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "refused for a reason of its own",
    0x84: "MQTT 5 not supported",
    0x85: "client id not valid",
    BAD_CREDENTIALS: "bad user name or password",
    NOT_AUTHORIZED: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    BANNED: "banned",
    0x8B: "server shutting down",
    0x8D: "keep-alive time-out",
    TAKEN_OVER: "session taken over",
    0x8F: "topic filter not valid",
    0x90: "topic not valid",
    0x93: "receive maximum exceeded",
    TOO_LARGE: "packet too large",
    0x96: "message rate too high",
    QUOTA_EXCEEDED: "quota exceeded",
    0x99: "payload format not valid",
    0x9A: "retain not supported",
    0x9F: "connection rate exceeded",
}


def name(code: int) -> str:
    """Write a reason code for people."""
    return f"{_NAMES.get(code, 'reason')} (0x{code:02X})"


def check_puback(code: int, topic: str) -> None:
    """Check that the broker took a message.

    0x10 (nobody subscribes) is no failure: on AWS a topic rule is no subscriber.

    Raises:
        TransportError: It did not.
    """
    if code < FAILURE:
        return
    mend = ""
    if code == NOT_AUTHORIZED:
        mend = (
            "; does the policy of this thing's certificate allow iot:Publish (and RetainPublish)?"
        )
    raise TransportError(f"the broker refused a message on {topic}: {name(code)}{mend}")


def refused_filters(codes: Sequence[int], filters: Sequence[str]) -> str | None:
    """Say which subscriptions a SUBACK refuses, or None if it grants all."""
    refused = [
        f"{each}: {name(code)}"
        for each, code in zip(filters, codes, strict=True)
        if code >= FAILURE
    ]
    if not refused:
        return None
    return (
        f"the broker refused to subscribe to {', '.join(refused)}; does the policy of this "
        "thing's certificate allow iot:Subscribe and iot:Receive?"
    )


def connack(code: int, client_id: str, where: str) -> SightlineError:
    """Say what it means that the broker refused the connection."""
    if code in (BAD_CREDENTIALS, NOT_AUTHORIZED, BANNED):
        return ConfigError(
            f"{where} refuses to let this certificate connect as {client_id}: {name(code)}; "
            f"is it the certificate of thing {client_id}, active, and with the stack's policy? "
            "Provision the device anew, or set `thing`"
        )
    return TransportError(f"{where} refused the connection: {name(code)}")


def no_connection(said: str, client_id: str, where: str) -> str:
    """Say why a connection could not be made that the broker did not refuse in words."""
    if said in ("AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "AWS_IO_SOCKET_CLOSED"):
        return (
            f"{where} ends the connection of {client_id} without a word: perhaps it does not "
            "know the certificate, or that was revoked or deactivated; is its certificate active? "
            "`./run doctor` with this device's folder, or AWS's console, shows which: activate it, "
            "or provision the device anew"
        )
    return f"no connection to {where}: {said}"


def disconnect(code: int | None, client_id: str, where: str, said: str) -> str:
    """Say why the broker ended the connection, or that it went without a word."""
    if code == TAKEN_OVER:
        return (
            f"{where}: another client has connected as {client_id}; "
            "let only one agent run with this certificate"
        )
    return f"the connection to {where} is lost: {said if code is None else name(code)}"


def lost_operation(code_name: str, topic: str) -> TransportError:
    """Say why the MQTT client could not have a message acknowledged."""
    meaning = {
        "AWS_ERROR_MQTT5_OPERATION_FAILED_DUE_TO_OFFLINE_QUEUE_POLICY": "there is no connection",
        "AWS_ERROR_MQTT_TIMEOUT": "the broker did not acknowledge it in time",
        "AWS_ERROR_MQTT5_USER_REQUESTED_STOP": "the agent is stopping",
    }.get(code_name, code_name)
    return TransportError(f"could not publish on {topic}: {meaning}")
