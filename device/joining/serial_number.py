"""The serial number that a Raspberry Pi was made with."""

from pathlib import Path

from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_serial

DEVICE_TREE = Path("/sys/firmware/devicetree/base/serial-number")
CPU_INFO = Path("/proc/cpuinfo")


def read(device_tree: Path = DEVICE_TREE, cpu_info: Path = CPU_INFO) -> str:
    """Read it from the device tree, or where older kernels tell it.

    Raises:
        ConfigError: This machine has none.
    """
    found = _device_tree(device_tree) or _cpu_info(cpu_info)
    if found is None:
        raise ConfigError(
            "this machine has no serial number of its own; set [claim] serial to the one that is "
            "on the fleet's list"
        )
    try:
        return check_serial(found)
    except MessageError as err:
        raise ConfigError(f"{err}; set [claim] serial") from err


def _device_tree(path: Path) -> str | None:
    try:
        return path.read_bytes().rstrip(b"\0\n").decode("ascii", "replace") or None
    except OSError:
        return None


def _cpu_info(path: Path) -> str | None:
    """Find the line `Serial : 10000000abcdef01`; all zeros are none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "Serial" and value.strip().strip("0"):
            return value.strip()
    return None
