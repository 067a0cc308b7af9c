"""The options of `python -m device`."""

import argparse
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from sightline import __version__


def read(argv: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Read them; on wrong ones it says so, and ends the process with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m device",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/sightline/device.toml"),
        metavar="FILE",
        help="the device's settings (default: %(default)s)",
    )
    parser.add_argument(
        "--camera",
        metavar="SOURCE",
        help="instead of the settings': picamera2, usb:0, rtsp://…, a clip or a folder of pictures",
    )
    parser.add_argument(
        "--loop", action="store_true", help="begin a clip or folder again at its end"
    )
    parser.add_argument(
        "--frames", type=_count, metavar="N", help="end when N frames have been taken and answered"
    )
    parser.add_argument(
        "--seconds", type=_seconds, metavar="S", help="end after S seconds and the last answer"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each result, and the summary"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the same lines of JSON to FILE"
    )
    parser.add_argument(
        "--rotate",
        action="store_true",
        help="a device of a fleet: make a new key, get a certificate for it, and end",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="log more, and tell how long each stage took"
    )
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="examine this device instead, and say how to mend it; stop the agent before",
    )
    parser.add_argument("--version", action="version", version=f"sightline {__version__}")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) <= threading.TIMEOUT_MAX:
            return number
    raise argparse.ArgumentTypeError(f"expected a number of seconds over 0, got {text!r}")
