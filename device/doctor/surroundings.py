"""The machine and its network, before a certificate is shown: clock, hosts, disk, camera."""

import shutil
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from device.cameras.camera import Camera
from device.doctor.finding import Finding, fault, ok, warning
from device.network import portal
from device.settings import Settings
from device.state_folder import state_folder
from sightline.errors import CameraError, TransportError

# S3 refuses requests that are signed a quarter of an hour off; a certificate just issued is "not
# yet valid" far sooner. Times in results are off by as much as the clock is.
CLOCK_WARNING_S, CLOCK_FAULT_S = 2.0, 300.0
DISK_WARNING_BYTES, DISK_FAULT_BYTES = 200_000_000, 20_000_000
_TIMEOUT_S = 5.0
_FRAMES, _FRAMES_WITHIN_S = 10, 3.0

Address = tuple[str, int]


def places(settings: Settings) -> dict[str, Address]:
    """Where a device connects, by what for."""
    host, _, port = settings.storage.credentials_endpoint.partition(":")
    s3 = urlsplit(s3_url(settings))
    return {
        "broker": (settings.iot.endpoint, settings.iot.port),
        "credentials": (host, int(port or 443)),
        "storage": (s3.hostname or "", s3.port or (443 if s3.scheme == "https" else 80)),
    }


def s3_url(settings: Settings) -> str:
    """Where frames are put."""
    storage = settings.storage
    domain = "amazonaws.com.cn" if storage.region.startswith("cn-") else "amazonaws.com"
    return storage.s3_endpoint or f"https://{storage.bucket}.s3.{storage.region}.{domain}"


def clock(url: str, now: Callable[[], datetime]) -> Finding:
    """Compare this machine's clock with the one of who serves *url*."""
    asked, began = now(), time.monotonic()
    served = served_date(url)
    # The date was written half-way through, and cut to whole seconds: it may be a second later.
    most_s = (asked - served).total_seconds() + (time.monotonic() - began) / 2
    return judge_clock(most_s if most_s < 0 else max(0.0, most_s - 1.0))


def judge_clock(off_s: float) -> Finding:
    """Judge a clock that is *off_s* ahead (behind, if negative)."""
    size = abs(off_s)
    if size <= CLOCK_WARNING_S:
        return ok(f"within {CLOCK_WARNING_S:g} s of the service's")
    said = f"this clock is {_span(size)} {'ahead' if off_s > 0 else 'behind'}"
    mend = "`sudo timedatectl set-ntp true`, and see `timedatectl`"
    return (fault if size > CLOCK_FAULT_S else warning)(said, mend)


def served_date(url: str) -> datetime:
    """Read the Date header of *url*.

    Raises:
        TransportError: Nobody serves it, or without a date.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: HTTPConnection
    if parts.scheme == "https":
        # Nobody's word is checked, for to a wrong clock every certificate looks wrong. Nothing
        # secret is sent, and a liar could make us say no more than that the clock is off.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("HEAD", "/")
        return parsedate_to_datetime(connection.getresponse().getheader("Date") or "")
    except ValueError as err:
        raise TransportError(f"{host} does not tell the time") from err
    except (OSError, HTTPException) as err:
        raise TransportError(
            f"{host} cannot be asked for the time: {err}; is the network up?"
        ) from err
    finally:
        connection.close()


def reach(address: Address, *, http_port: int = portal.HTTP_PORT) -> Finding:
    """Look up a host's name, connect, and hang up.

    Args:
        http_port: Where a captive portal would answer in the host's place.
    """
    host, port = address
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        return fault(
            f"there is no address for {host} ({getattr(err, 'strerror', None) or err})",
            "is the name in device.toml right, and the network's DNS up?",
        )
    began = time.monotonic()
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as err:
        login = portal.asks_to_log_in(host, port=http_port)
        if login is not None:
            return fault(
                f"this network lets nothing through to {host}:{port} before somebody logs in at "
                f"{login} (a captive portal)",
                "log in there with a browser, or have the device admitted",
            )
        said = "no answer" if isinstance(err, TimeoutError) else err.strerror or err
        return fault(
            f"cannot connect to {host}:{port} ({said})",
            "is the service up, the port in device.toml right, and no firewall between?",
        )
    took = round((time.monotonic() - began) * 1000, 1)
    return ok(f"{host}:{port} in {took:g} ms", timings_ms={"connect": took})


def kept_in(settings: Settings, environment: Mapping[str, str]) -> Path:
    """Find where an agent keeps its frames, or all else that is to outlast it. It may not be there.

    Raises:
        ConfigError: See `device.state_folder`.
    """
    return settings.spool.folder or state_folder(settings.thing, environment)


def disk(
    folder: Path, *, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Finding:
    """See how much room is left on the disk where *folder* is, or is to be."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        free = free_bytes(there)
    except OSError as err:
        why = err.strerror or err
        return fault(f"{folder} cannot be looked at: {why}", "let the doctor's user read it")
    said = f"{free / 1e9:.2f} GB free on the disk of {folder}"
    mend = "make room, or frames wait in memory alone while there is no network"
    if free < DISK_FAULT_BYTES:
        return fault(f"only {said}", mend)
    return warning(f"only {said}", mend) if free < DISK_WARNING_BYTES else ok(said)


class _AtOnce:
    """A pace that wants each frame at once. See `device.cameras.camera.Pace`."""

    def remaining_s(self) -> float:
        return 0.0

    def pause(self, _seconds: float) -> None:
        return None


def camera(source: str, open_camera: Callable[[], Camera]) -> Finding:
    """Take some frames, and tell their size and how fast they come."""
    with open_camera() as opened:
        first = opened.capture(_AtOnce())
        if first is None:
            raise CameraError(f"camera source {source} gives no frame; is there anything in it?")
        began, count = time.monotonic(), 0
        while count < _FRAMES and time.monotonic() - began < _FRAMES_WITHIN_S:
            if opened.capture(_AtOnce()) is None:
                break
            count += 1
        took_s = time.monotonic() - began
    height, width = first.image.shape[:2]
    rate = f", {count / took_s:.0f} frames/s" if count and took_s else ""
    return ok(f"{source}: {width}x{height}{rate}")


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
