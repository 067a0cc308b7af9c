"""The agent's settings: one TOML file, read once, checked whole before anything starts."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from device import tables
from device.gate.settings import GateSettings
from device.joining import kept_identity
from device.recording.settings import RecordingSettings
from device.spooling.settings import SpoolSettings
from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_serial
from sightline.topics import check_device, through, topic


@dataclass(frozen=True, slots=True, kw_only=True)
class IotSettings:
    """Where the broker is, and who we are to it."""

    endpoint: str
    ca: Path
    certificate: Path
    private_key: Path
    port: int = 8883
    keep_alive_s: int = 60
    reconnect_most_s: float = 15.0  # between two attempts to connect; by chance up to this
    session_expiry_s: int = 3600  # for how long the broker keeps results for us while we are away
    frames_rule: str | None = None  # Basic Ingest: the one rule that gets frames, past the broker

    def __post_init__(self) -> None:
        _host("endpoint", self.endpoint)
        _within("port", self.port, 1, 65535)
        _within("keep_alive_s", self.keep_alive_s, 30, 1200)  # AWS IoT Core's own bounds
        _within("reconnect_most_s", self.reconnect_most_s, 1, 3600)
        _within("session_expiry_s", self.session_expiry_s, 0, 7 * 24 * 3600)
        if self.frames_rule is not None:
            _matches("frames_rule", self.frames_rule, r"\w{1,128}", "a topic rule's name")

    def frames_topic(self, thing: str) -> str:
        """Where *thing* publishes its frames' references."""
        frames = topic(thing, "frames")
        return frames if self.frames_rule is None else through(self.frames_rule, frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where frames go, and where the right to put them there comes from."""

    region: str
    bucket: str
    credentials_endpoint: str  # "host" or "host:port"
    role_alias: str
    s3_endpoint: str | None = None  # None: AWS's own

    def __post_init__(self) -> None:
        _matches("region", self.region, r"[a-z]{2}(-[a-z]+)+-\d", "a region such as us-east-1")
        _matches("bucket", self.bucket, r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name")
        _matches("role_alias", self.role_alias, r"[\w=,@-]{1,128}", "a role alias's name")
        _host("credentials_endpoint", self.credentials_endpoint.partition(":")[0])
        port = self.credentials_endpoint.partition(":")[2] or "443"
        _matches("credentials_endpoint", port, r"\d{1,5}", "HOST or HOST:PORT")
        _within("credentials_endpoint", int(port), 1, 65535)
        if self.s3_endpoint is not None and not _is_endpoint(self.s3_endpoint):
            raise ConfigError(
                f"s3_endpoint: expected http(s)://HOST[:PORT], got {self.s3_endpoint!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """Which camera, and how large its frames may be."""

    source: str
    width: int = 1280  # frames that come larger are shrunk to fit
    height: int = 720
    loop: bool = False  # a clip or a folder begins again at its end
    timeout_s: float = 10.0  # for a camera on the network to answer

    def __post_init__(self) -> None:
        if not self.source:
            raise ConfigError('source: expected "picamera2", "usb:0", "rtsp://…" or a path, got ""')
        if is_path(self.source):
            tables.path_of(self.source, "source")
        _within("width", self.width, 16, 8192)
        _within("height", self.height, 16, 8192)
        _within("timeout_s", self.timeout_s, 0.1, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """How often a frame is taken, and how finely it is stored."""

    interval_s: float = 0.5
    jpeg_quality: int = 85

    def __post_init__(self) -> None:
        _within("interval_s", self.interval_s, 0.02, 86400)
        _within("jpeg_quality", self.jpeg_quality, 1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSettings:
    """What is done with each result besides printing it."""

    hook: tuple[str, ...] = ()  # a command and its arguments; no shell reads it
    hook_timeout_s: float = 10.0
    hook_processes: int = 2
    valid_for_s: float = 10.0  # a result of an older frame is late: who was there has gone
    log: Path | None = None  # a line of JSON each; it names people. None: results are kept nowhere
    log_bytes: int = 5_000_000  # of a file; a result of one face has about 900
    log_files: int = 5  # the older ones are called log.1 and so on

    def __post_init__(self) -> None:
        _within("valid_for_s", self.valid_for_s, 0.1, 86400)
        _within("log_bytes", self.log_bytes, 10_000, 10**10)
        _within("log_files", self.log_files, 1, 1000)
        _within("hook_timeout_s", self.hook_timeout_s, 0.1, 3600)
        _within("hook_processes", self.hook_processes, 1, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkSettings:
    """How hard frames are sent, and for how long their results are waited for."""

    uploads: int = 2  # at once
    in_flight: int = 16  # frames sent and not yet answered
    answer_timeout_s: float = 30.0  # then the reference is sent once more
    attempts: int = 2  # so often at that pace; then the frame rests, each time for twice as long
    backlog_share: float = 0.25  # of the sending, for frames that have waited; see device.backlog
    stop_timeout_s: float = 5.0  # for what is in flight when told to stop

    def __post_init__(self) -> None:
        _within("uploads", self.uploads, 1, 32)
        _within("in_flight", self.in_flight, 1, 90)  # AWS IoT Core allows 100 unacknowledged
        _within("answer_timeout_s", self.answer_timeout_s, 0.1, 3600)
        _within("attempts", self.attempts, 1, 10)
        _within("backlog_share", self.backlog_share, 0.01, 1)
        _within("stop_timeout_s", self.stop_timeout_s, 0, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSettings:
    """How often the device says how it is."""

    every_s: float = 60.0

    def __post_init__(self) -> None:
        _within("every_s", self.every_s, 1, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings:
    """How a device of a fleet gets a certificate of its own; until then [iot] has the claim's."""

    template: str  # the fleet's provisioning template
    serial: str | None = None  # None: the Pi's own

    def __post_init__(self) -> None:
        _matches("template", self.template, r"[\w-]{1,36}", "a provisioning template's name")
        if self.serial is not None:
            try:
                check_serial(self.serial)
            except MessageError as err:
                raise ConfigError(f"serial: {err}") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one agent; certs_template/ holds examples."""

    iot: IotSettings
    storage: StorageSettings
    camera: CameraSettings
    frames: FrameSettings = field(default_factory=FrameSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    results: ResultSettings = field(default_factory=ResultSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    status: StatusSettings = field(default_factory=StatusSettings)
    thing: str = ""  # empty for as long as a device with a claim has not joined its fleet
    claim: ClaimSettings | None = None

    def __post_init__(self) -> None:
        if not self.thing and self.claim is not None:
            return
        if not self.thing:
            raise ConfigError("thing: this key is missing")
        try:
            check_device(self.thing)
        except MessageError as err:
            raise ConfigError(f"thing: {err}") from err

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read *path*, and who the device is by now if it is one of a fleet.

        Raises:
            ConfigError: It cannot be read, a key in it is missing, unknown or wrong, or the device
                has not joined its fleet yet.
        """
        settings = cls.read(path)
        if settings.claim is None:
            return settings
        kept = kept_identity.read(path)
        if kept is None:
            raise ConfigError(
                f"{path}: this device has a claim, and no certificate of its own yet; start the "
                "agent once where it reaches the broker"
            )
        return dataclasses.replace(
            settings,
            thing=kept.thing,
            iot=dataclasses.replace(
                settings.iot, certificate=kept.certificate, private_key=kept.private_key
            ),
        )

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Read *path* as it stands; the relative paths in it are relative to its folder.

        Raises:
            ConfigError: It cannot be read, or a key in it is missing, unknown or wrong.
        """
        settings = tables.read(cls, path)
        if settings.thing and settings.claim is not None:
            raise ConfigError(
                f"{path}: thing: leave it out beside [claim]; the fleet's table names the device"
            )
        folder = path.absolute().parent
        return dataclasses.replace(
            settings,
            iot=dataclasses.replace(
                settings.iot,
                ca=folder / settings.iot.ca,
                certificate=folder / settings.iot.certificate,
                private_key=folder / settings.iot.private_key,
            ),
            camera=dataclasses.replace(
                settings.camera, source=_absolute(folder, settings.camera.source)
            ),
            results=dataclasses.replace(
                settings.results,
                log=settings.results.log and folder / settings.results.log,
            ),
            spool=dataclasses.replace(
                settings.spool,
                folder=settings.spool.folder and folder / settings.spool.folder,
            ),
            recording=dataclasses.replace(
                settings.recording,
                folder=settings.recording.folder and folder / settings.recording.folder,
            ),
        )

    def with_camera(self, source: str | None, *, loop: bool | None = None) -> "Settings":
        """Take another camera; what is None stays, and paths are relative to where we are.

        Raises:
            ConfigError: There can be no such camera.
        """
        camera = dataclasses.replace(self.camera, loop=self.camera.loop if loop is None else loop)
        if source is not None:
            camera = dataclasses.replace(camera, source=_absolute(Path.cwd(), source))
        return dataclasses.replace(self, camera=camera)


def is_path(source: str) -> bool:
    """Tell whether a camera's *source* is a file or a folder."""
    return not (source == "picamera2" or re.match(r"usb:|[a-z]+://", source))


def _absolute(folder: Path, source: str) -> str:
    return str(folder / tables.path_of(source, "source")) if is_path(source) else source


def _within(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{key}: expected {least} to {most}, got {value}")


def _matches(key: str, value: str, pattern: str, expected: str) -> None:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ConfigError(f"{key}: expected {expected}, got {value!r}")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port over 65535, say
        return False


def _host(key: str, value: str) -> None:
    _matches(key, value, r"[A-Za-z0-9_.-]{1,253}", "a host's name without https:// or a port")
