"""What is printed, and what is if nobody reads it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from device.answers.output import Output

ROOT = Path(__file__).parents[3]


def test_lines_are_written_at_once() -> None:
    stream = io.StringIO()
    Output(stream, "standard output").write("a", "b")
    assert stream.getvalue() == "a\nb\n"


def test_a_reader_that_goes_away_ends_the_printing_and_nothing_else() -> None:
    # As in `./run agent | head -1`: the reader goes after a line, and Python ends as it would.
    code = "import logging, sys; from device.answers.output import Output; logging.basicConfig()\n"
    code += "out = Output(sys.stdout, 'standard output')\n"
    code += "out.write('first'); sys.stdin.readline()\n"
    code += "out.write('second'); out.write('third'); print('went on', file=sys.stderr)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "first\n"
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert said.count("standard output: nobody reads it any more") == 1
    assert said.endswith("went on\n")
    assert "Error" not in said


def test_a_full_disk_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "w") as stream:
        out = Output(stream, "standard output")
        out.write("a")
        out.write("b")

    assert caplog.text.count("No space left") == 1
