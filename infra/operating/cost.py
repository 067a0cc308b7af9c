"""What a month on AWS costs: how much of what is used, times what AWS asks for it.

Assumptions stand beside the figures below. Nothing here was held against a bill; the order of
magnitude, and what drives it, is what it is for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from infra import template
from infra.deploying.registry import IMAGE_GB
from infra.operating.bill import Estimate, Line
from infra.operating.prices import Prices
from sightline.errors import ConfigError

DAYS = 30
_GB = 1e6  # in KB, as AWS bills
_MESSAGE_KB = 5  # a longer message counts as several

# Seconds of one core for a frame with a face, by docs/benchmarks.md and docs/engines.md.
ENGINE_S = {"dlib": 0.033, "dlib-int8": 0.029, "facenet": 0.054, "facenet-int8": 0.036}
_SLOWER = 2.0  # Lambda's core against the measured one; a guess, on the safe side
_CALLS_S = 0.06  # one get from S3, three requests to DynamoDB, one publish; a guess

STATUS_S = 60.0  # a device's default
REFERENCE_KB = 0.5
RESULT_KB, RESULT_FACE_KB = 0.5, 0.4
STATUS_KB = 0.4
LOG_KB = 2.0  # a frame's own line, its metrics, and Lambda's three
SIGHTING_KB, SIGHTING_PERSON_KB = 1.0, 0.2
FRAME_WRITES = 4  # see cloud/sightings_table.py: two rows, and a transaction counts twice
PERSON_WRITES = 3  # a row in the transaction, and its copy in the index
CHUNK_STILLS = 10  # cloud/videos/chunk.py
CHUNK_WRITES = 4  # its row and its video's, in a transaction
STILL_KB = 150.0  # of a still that is kept; more pixels than a camera sends
SPLIT_SPEED = (
    15.0  # how many times as fast as it plays a video is taken apart, by docs/benchmarks.md
)
FRAME_READS = 2  # is it answered already, and is the gallery as it was
METRICS = 11  # cloud/metrics.py
_NOT_COUNTED = (
    "Not counted: free tiers, taxes, recorded and uploaded video itself, HTTP (a dollar a million "
    "requests, and the function's time), cold starts, e-mail, people and faces, "
    "commands and shadows, what operators listen to, dead letters, older images, and KMS for the "
    "tables' key (3 cents for 10,000 requests; DynamoDB makes one in some minutes)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much is used.

    Attributes:
        fps: Frames a second that a camera takes.
        gate: The share of them that is sent.
        hours: A day.
        faces: Known people in a frame, on average.
        seconds: The function's time for a frame.
        video_hours: Hours of video that are uploaded in a month.
        stills_s: Pictures that are looked at of each second of them.
    """

    devices: int
    fps: float
    gate: float
    hours: float
    faces: float
    frame_kb: float
    seconds: float
    memory_mb: int
    architecture: str
    frame_days: float
    sighting_days: float
    log_days: float
    basic_ingest: bool
    alarms: int
    dashboards: int
    video_hours: float = 0.0
    stills_s: float = 2.0
    video_days: float = 7.0
    split_mb: int = 3008

    @classmethod
    def of(
        cls,
        parameters: Mapping[str, str],
        *,
        devices: int,
        fps: float,
        gate: float,
        hours: float = 24.0,
        faces: float = 0.5,
        frame_kb: float = 60.0,
        seconds: float | None = None,
        video_hours: float = 0.0,
    ) -> Self:
        """Take what is not given from a stack's parameters.

        Raises:
            ConfigError: A figure cannot be.
        """
        resources = template.load()["Resources"]
        types = [body["Type"] for body in resources.values()]
        return cls(
            devices=devices,
            fps=fps,
            gate=gate,
            hours=hours,
            faces=faces,
            frame_kb=frame_kb,
            seconds=_seconds(parameters["Engine"]) if seconds is None else seconds,
            memory_mb=int(float(parameters["MemoryMb"])),
            architecture=parameters["Architecture"],
            frame_days=float(parameters["FrameDays"]),
            sighting_days=float(parameters["SightingDays"]),
            log_days=float(parameters["LogDays"]),
            basic_ingest=parameters.get("BasicIngest") == "true",
            alarms=types.count("AWS::CloudWatch::Alarm"),
            dashboards=types.count("AWS::CloudWatch::Dashboard"),
            video_hours=video_hours,
            stills_s=_stills_s(parameters.get("VideoSampling", "")),
            video_days=float(parameters.get("VideoDays", 7)),
            split_mb=int(resources["SplitVideo"]["Properties"]["MemorySize"]),
        )

    def __post_init__(self) -> None:
        for name in ("devices", "fps", "faces", "frame_kb", "seconds", "video_hours"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"--{name.replace('_', '-')} {value}: it may be 0 or more")
        if not 0 <= self.gate <= 1:
            raise ConfigError(f"--gate {self.gate}: it is a share, from 0 to 1")
        if not 0 <= self.hours <= 24:
            raise ConfigError(f"--hours {self.hours}: a day has 0 to 24")

    @property
    def frames(self) -> float:
        """Frames that are sent in a month."""
        return self.devices * self.fps * self.gate * self.hours * 3600 * DAYS

    @property
    def stills(self) -> float:
        """Pictures of videos that are looked at in a month."""
        return self.video_hours * 3600 * self.stills_s


def estimate(use: Use, prices: Prices) -> Estimate:
    """Work out a month, with what drives it.

    Raises:
        ConfigError: The price table lacks a price.
    """
    found = _bill(use, prices)
    return replace(found, remarks=tuple(_remarks(use, prices, found)))


def _bill(use: Use, prices: Prices) -> Estimate:
    lines = (*_iot(use), *_function(use), *_storage(use), *_videos(use), *_watching(use))
    return Estimate(
        region=prices.region,
        prices_of=prices.read_on.isoformat(),
        frames=use.frames,
        lines=tuple(_priced(line, prices) for line in lines),
    )


_Quantity = tuple[str, str, float, str, str]  # service, for what, how much, unit, price's name


def _priced(line: _Quantity, prices: Prices) -> Line:
    service, what, quantity, unit, price = line
    if price not in prices.usd:
        raise ConfigError(f"the price table lacks {price}")
    usd = quantity * prices.usd[price]
    return Line(service=service, what=what, quantity=quantity, unit=unit, usd=usd)


def _iot(use: Use) -> list[_Quantity]:
    minutes = use.devices * use.hours * 60 * DAYS
    results = math.ceil(_result_kb(use) / _MESSAGE_KB) * use.frames
    statuses = minutes * 60 / STATUS_S
    out_gb = use.frames * _result_kb(use) / _GB
    return [
        ("IoT Core", "being connected", minutes, "minutes", "iot_connection_minute"),
        (
            "IoT Core",
            "references",
            0 if use.basic_ingest else use.frames,
            "messages",
            "iot_message",
        ),
        # Published, delivered, and the device's PUBACK.
        ("IoT Core", "results", 2 * results + use.frames, "messages", "iot_message"),
        # Published, and kept for whoever comes later: that is metered, too.
        ("IoT Core", "status", 2 * statuses, "messages", "iot_message"),
        ("IoT Core", "the rule", use.frames, "times", "iot_rule"),
        ("IoT Core", "its action", use.frames, "times", "iot_action"),
        ("Transfer", "results to devices", out_gb, "GB", "transfer_out_gb"),
    ]


def _function(use: Use) -> list[_Quantity]:
    gb_s = use.frames * use.seconds * use.memory_mb / 1024
    price = f"lambda_gb_second_{use.architecture}"
    return [
        ("Lambda", "recognition", gb_s, "GB-seconds", price),
        ("Lambda", "requests", use.frames, "requests", "lambda_request"),
        ("ECR", "the images", IMAGE_GB, "GB-months", "ecr_gb_month"),
    ]


def _storage(use: Use) -> list[_Quantity]:
    a_day = use.frames / DAYS
    writes = use.frames * (FRAME_WRITES + PERSON_WRITES * use.faces)
    row_kb = SIGHTING_KB + RESULT_FACE_KB * use.faces + 2 * SIGHTING_PERSON_KB * use.faces
    frames_gb = a_day * use.frame_days * use.frame_kb / _GB
    rows_gb = a_day * use.sighting_days * row_kb / _GB
    return [
        ("S3", "putting frames", use.frames, "requests", "s3_put"),
        ("S3", "getting frames", use.frames, "requests", "s3_get"),
        ("S3", f"keeping frames {use.frame_days:g} days", frames_gb, "GB-months", "s3_gb_month"),
        ("DynamoDB", "keeping sightings", writes, "writes", "dynamodb_write"),
        ("DynamoDB", "looking up", FRAME_READS * use.frames, "reads", "dynamodb_read"),
        ("DynamoDB", f"sightings {use.sighting_days:g} days", rows_gb, "GB-months",
         "dynamodb_gb_month"),
    ]  # fmt: skip


def _videos(use: Use) -> list[_Quantity]:
    """What uploaded videos cost: their pictures go the way of frames, but for the broker."""
    price = f"lambda_gb_second_{use.architecture}"
    chunks, split_s = use.stills / CHUNK_STILLS, use.video_hours * 3600 / SPLIT_SPEED
    writes = use.stills * (FRAME_WRITES + PERSON_WRITES * use.faces) + chunks * CHUNK_WRITES
    kept_gb = use.stills / DAYS * use.video_days * STILL_KB / _GB
    return [
        ("Lambda", "taking videos apart", split_s * use.split_mb / 1024, "GB-seconds", price),
        ("Lambda", "their pictures", use.stills * use.seconds * use.memory_mb / 1024,
         "GB-seconds", price),
        ("S3", "putting their pictures", use.stills, "requests", "s3_put"),
        ("S3", f"keeping them {use.video_days:g} days", kept_gb, "GB-months", "s3_gb_month"),
        ("DynamoDB", "their sightings and progress", writes, "writes", "dynamodb_write"),
    ]  # fmt: skip


def _stills_s(sampling: str) -> float:
    """Pictures a second by a setting; two where the film decides."""
    every = sampling.removeprefix("every:")
    try:
        return 1 / float(every)
    except (ValueError, ZeroDivisionError):
        return 30.0 if sampling == "all" else 2.0


def _watching(use: Use) -> list[_Quantity]:
    logs_gb = use.frames * LOG_KB / _GB
    kept_gb = logs_gb / DAYS * use.log_days
    metrics = METRICS * use.hours / 24 if use.frames else 0  # billed for hours with a figure
    return [
        ("CloudWatch", "log lines", logs_gb, "GB", "logs_gb"),
        ("CloudWatch", f"logs {use.log_days:g} days", kept_gb, "GB-months", "logs_gb_month"),
        ("CloudWatch", "metrics", metrics, "metrics", "metric_month"),
        ("CloudWatch", "alarms", use.alarms, "alarms", "alarm_month"),
        ("CloudWatch", "dashboard", use.dashboards, "dashboards", "dashboard_month"),
    ]


def _seconds(engine: str) -> float:
    return ENGINE_S.get(engine, max(ENGINE_S.values())) * _SLOWER + _CALLS_S


def _result_kb(use: Use) -> float:
    return RESULT_KB + RESULT_FACE_KB * use.faces


def _remarks(use: Use, prices: Prices, found: Estimate) -> list[str]:
    remarks = []
    if found.usd:
        most = max(found.lines, key=lambda line: line.usd)
        share = most.usd / found.usd
        remarks.append(f"Most of it: {most.service}, {most.what}: {share:.0%}.")
    if use.frames:
        fixed = _bill(replace(use, devices=0), prices).usd
        each = (found.usd - fixed) / use.frames * 1e6
        remarks.append(
            f"{use.frames:,.0f} frames a month at {each:,.2f} USD a million, and {fixed:,.2f} USD "
            "whether a camera looks or not."
        )
        remarks += _savings(use, prices, found)
        busy = use.devices * use.fps * use.gate * use.seconds
        remarks.append(f"{busy:.2g} functions at once on average; a new account may have 10.")
    remarks.append(
        f"Assumed: {use.seconds:.2g} s a frame at {use.memory_mb} MB on {use.architecture} (never "
        f"seen on AWS; --seconds sets it), {use.frame_kb:g} KB a frame, {use.faces:g} known people "
        "in it."
    )
    remarks.append(_NOT_COUNTED)
    return remarks


def _savings(use: Use, prices: Prices, found: Estimate) -> list[str]:
    saved = []
    if not use.basic_ingest:
        less = found.usd - _bill(replace(use, basic_ingest=True), prices).usd
        saved.append(
            f"Basic Ingest would save {less:,.2f} USD ({less / found.usd:.0%}); the console's test "
            "client then sees no frames."
        )
    if use.gate < 1:
        more = _bill(replace(use, gate=1.0), prices).usd - found.usd
        saved.append(f"The gate saves {more:,.2f} USD: without it every frame would be sent.")
    less = found.usd - _bill(replace(use, gate=use.gate / 2), prices).usd
    saved.append(f"A gate that lets half as many through would save {less:,.2f} USD.")
    return saved
