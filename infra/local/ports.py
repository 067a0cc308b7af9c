"""TCP ports of this machine's loopback interface."""

import contextlib
import socket

from sightline.errors import ConfigError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Find a port that nobody listens on at this moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find *count* different ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as held:  # one that is let go could be given again
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def claim(port: int, *, option: str) -> int:
    """Return *port*, or a free one for 0.

    Args:
        port: The port wanted; 0 for any.
        option: What the operator writes to choose another, for the error.

    Raises:
        ConfigError: Somebody listens there.
    """
    if port == 0:
        return free_port()
    if not 0 < port < 65536:
        raise ConfigError(f"port {port} is not from 1 to 65535; choose another with {option}")
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is not in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as err:
            raise ConfigError(
                f"port {port} is in use ({err.strerror}); stop what uses it, or choose another "
                f"with {option}"
            ) from err
    return port
