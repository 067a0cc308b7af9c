"""Fixtures that all folders share."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell has what it starts in the background ignore Ctrl-C, and whatever that starts inherits it.
# One that is handled here is the default again in each process that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).parents[1]
DATA = PROJECT / "tests" / "data"


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of real photographs and clips, where there is one beside the project."""
    folder = PROJECT.parent / "shared" / "faces"
    if not folder.is_dir():
        pytest.skip(f"there are no photographs at {folder}")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where all that tests need must be there, a skipped one has failed."""
    report = yield
    if report.skipped and os.environ.get("SIGHTLINE_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be skipped here: {report.longrepr}"
    return report
