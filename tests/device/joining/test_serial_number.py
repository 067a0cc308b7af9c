from pathlib import Path

import pytest

from device.joining import serial_number
from sightline.errors import ConfigError


def test_it_is_read_from_the_device_tree_without_its_end(tmp_path: Path) -> None:
    tree = tmp_path / "serial-number"
    tree.write_bytes(b"10000000abcdef01\0")

    assert serial_number.read(tree, tmp_path / "none") == "10000000abcdef01"


def test_an_older_kernel_tells_it_among_its_processors(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nHardware\t: BCM2835\nSerial\t\t: 00000000deadbeef\n")

    assert serial_number.read(tmp_path / "none", info) == "00000000deadbeef"


@pytest.mark.parametrize("text", ["", "processor : 0\n", "Serial : 0000000000000000\n"])
def test_a_machine_without_one_is_told_what_to_set(tmp_path: Path, text: str) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(text)

    with pytest.raises(ConfigError, match=r"set \[claim\] serial"):
        serial_number.read(tmp_path / "none", info)
    with pytest.raises(ConfigError, match=r"set \[claim\] serial"):
        serial_number.read(tmp_path / "none", tmp_path / "none")


def test_one_that_is_none_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "serial-number"
    tree.write_bytes(b"To Be Filled By O.E.M.\0")

    with pytest.raises(ConfigError, match=r"is not 1 to 64.*set \[claim\] serial"):
        serial_number.read(tree, tmp_path / "none")
