"""How to run a stack on this machine."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import ports
from infra.packaging import PROJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """How to run a stack on this machine; a port of 0 is any free one.

    Attributes:
        state: The folder that keeps people, certificates and pictures between runs.
        ministack_python: The interpreter of MiniStack's own virtual environment.
        engine_folder: Holds the recognition engine's network.
        workers: How many frames are worked on at once.
        http_without_keys: Whether the HTTP API lets in every program of this machine.
        function_python: Runs the functions; this interpreter, unless a test says otherwise.
    """

    state: Path
    ministack_python: Path
    engine_folder: Path
    gateway_port: int = 4566
    mqtt_port: int = 8883
    credentials_port: int = 4567
    lambda_port: int = 4568
    http_port: int = 4569
    workers: int = 2
    stack: str = "sightline"
    parameters: Mapping[str, str] = field(default_factory=dict)
    http_without_keys: bool = False
    code_root: Path = PROJECT
    function_python: Path = Path(sys.executable)

    def claim_ports(self) -> dict[str, int]:
        """The ports to listen on, by what they are for: as wished, or free ones.

        Raises:
            ConfigError: Somebody listens on one.
        """
        wanted = {
            "gateway": self.gateway_port,
            "mqtt": self.mqtt_port,
            "credentials": self.credentials_port,
            "lambda": self.lambda_port,
            "http": self.http_port,
        }
        free = iter(ports.free_ports(len(wanted)))
        return {
            name: ports.claim(port, option=f"--{name}-port") if port else next(free)
            for name, port in wanted.items()
        }
