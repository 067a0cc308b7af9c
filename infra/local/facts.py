"""What a running local stack tells the command line: `<state>/stack.json`.

The file is there while the stack runs, readable by its owner alone: it holds the local root key
and the secret that lets one invoke functions.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.provisioning.private_key import write_private
from sightline.errors import ConfigError

FILE_NAME = "stack.json"
START_COMMAND = "./run up"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFacts:
    """How to reach a local stack.

    Attributes:
        endpoint: The gateway, for every AWS client.
        credentials: `host:port` of the IoT credentials endpoint.
        lambda_url: The endpoint for a Lambda client alone; it has the secret that lets one invoke.
        http_url: The HTTP API, less /v1.
        ca: A PEM file with the authorities of broker and credentials endpoint.
        pids: Processes by what they are: `stack`, `ministack`.
    """

    stack: str
    region: str
    endpoint: str
    root_key_id: str = field(repr=False)
    root_secret: str = field(repr=False)
    mqtt_host: str
    mqtt_port: int
    credentials: str
    lambda_url: str = field(repr=False)
    http_url: str
    ca: str
    outputs: Mapping[str, str]
    pids: Mapping[str, int]

    def write(self, state: Path) -> None:
        """Leave them in the state folder, whole or not at all."""
        new = state / f"{FILE_NAME}.new"
        write_private(new, json.dumps(asdict(self), indent=2).encode())
        new.replace(state / FILE_NAME)

    @classmethod
    def read(cls, state: Path) -> "LocalFacts":
        """Read the facts of the stack that runs on *state*.

        Raises:
            ConfigError: None runs there.
        """
        try:
            facts = cls(**json.loads((state / FILE_NAME).read_text()))
        except FileNotFoundError as err:
            raise ConfigError(
                f"no stack is running on {state}; start one with {START_COMMAND}"
            ) from err
        except (OSError, ValueError, TypeError) as err:
            raise ConfigError(
                f"cannot read {state / FILE_NAME}: {err}; restart the stack with {START_COMMAND}"
            ) from err
        if not _is_alive(facts.pids.get("stack", 0)):
            raise ConfigError(f"the stack on {state} has died; start it again with {START_COMMAND}")
        return facts

    @staticmethod
    def remove(state: Path) -> None:
        """Take the file away, if it is there."""
        (state / FILE_NAME).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
