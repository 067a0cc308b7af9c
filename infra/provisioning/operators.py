"""An operator's certificate: made the first time that somebody listens or publishes."""

import secrets
from collections.abc import Callable
from pathlib import Path

from infra.operating.operator_client import Broker
from infra.provision import OPERATOR_CLIENTS, provision_operator
from infra.target import Target


def broker_of(target: Target, folder: Path, say: Callable[[str], None]) -> Broker:
    """Give the way into a stack's broker as an operator, whose certificate *folder* keeps.

    Raises:
        ConfigError: AWS IoT refuses to make one.
        TransportError: AWS is out of reach.
    """
    if not folder.exists():
        provision_operator(target=target, folder=folder, say=say)
    endpoints = target.endpoints()  # not the folder's: a local stack may have moved its ports
    return Broker(
        host=endpoints.mqtt_host,
        port=endpoints.mqtt_port,
        ca=folder / "ca.pem",
        certificate=folder / "certificate.pem",
        private_key=folder / "private.key",
        # A second connection of the same name would throw the first one out.
        client_id=f"{OPERATOR_CLIENTS}{secrets.token_hex(4)}",
    )
