"""The suite's report, in Markdown: to read, and to paste where somebody asks whether it works."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from device.doctor.finding import Finding
from sightline import __version__

_PACKAGES = ("boto3", "awsiotsdk", "paho-mqtt", "onnxruntime")
_MARKS = {"ok": "✔ ok", "warning": "! warning", "fault": "✘ **fault**", "not tried": "– not tried"}


@dataclass(slots=True, kw_only=True)
class Run:
    """What is known of one run, filled in as it goes."""

    stack: str
    region: str
    is_local: bool
    began: datetime
    function: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    latencies: Sequence[tuple[str, str, str]] = ()  # stage, p50, p95
    log_url: str = ""
    left: Sequence[str] = ()
    interrupted: bool = False
    took_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether no check failed, none was cut short, and nothing was left behind."""
        failed = any(finding.state == "fault" for finding in self.findings)
        return bool(self.findings) and not failed and not self.left and not self.interrupted


def markdown(run: Run) -> str:
    """Write the report; it holds no account number, key or picture."""
    place = "the stand-in on one machine" if run.is_local else f"AWS, {run.region}"
    lines = [
        f"## sightline on {place}: {'passed' if run.passed else 'FAILED'}",
        "",
        f"{run.began:%Y-%m-%d %H:%M} UTC, {run.took_s:.0f} s, stack `{run.stack}`, {_versions()}.",
        "",
    ]
    if run.function:
        said = ", ".join(f"{name} {value}" for name, value in run.function.items())
        lines += [f"Function: {said}.", ""]
    lines += ["| check | result | seconds | |", "|---|---|--:|---|"]
    lines += [_row(finding) for finding in run.findings]
    if run.latencies:
        lines += ["", "| stage, ms | p50 | p95 |", "|---|--:|--:|"]
        lines += [f"| {stage} | {p50} | {p95} |" for stage, p50, p95 in run.latencies]
    if run.interrupted:
        lines += ["", "It was interrupted; what is not in the table was not tried."]
    if not run.passed and run.log_url:
        lines += ["", f"The function's log: {run.log_url}"]
    if run.left:
        lines += ["", "Left behind, to be removed by hand:", ""]
        lines += [f"- {each}" for each in run.left]
    return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    said = f"{finding.said}; {finding.mend}" if finding.mend else finding.said
    took = finding.timings_ms.get("took")
    seconds = "" if took is None else f"{took / 1000:.1f}"
    return f"| {finding.check} | {_MARKS[finding.state]} | {seconds} | {_cell(said)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _versions() -> str:
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    found = [f"sightline {__version__}", python]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
