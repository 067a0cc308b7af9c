"""Examines one device from its own side: everything that an agent needs, in the order of need.

The agent must not run meanwhile: the broker lets a thing connect once, and throws the older
connection out.
"""

import contextlib
import datetime
import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device.cameras.camera import Camera
from device.clock import utc_now
from device.doctor import cloud_side, surroundings
from device.doctor.finding import Examination, Finding, given, ok, warning
from device.network import certificate, identity
from device.network.identity import Identity
from device.network.s3_frame_store import S3FrameStore
from device.network.session import Session
from device.settings import CameraSettings, Settings
from device.time_of_day import TimeOfDay

CHECKS = (
    *("settings", "certificate", "broker", "credentials", "storage", "clock", "tls", "connect"),
    *("subscribe", "publish", "role alias", "upload", "round trip", "disk", "camera"),
)
RENEW_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to examine.

    Attributes:
        camera: Instead of the settings' camera.
        camera_of: Makes the camera of some settings.
        now: This machine's clock.
        answer_s: For how long a frame's result is waited for.
        environment: Says where an agent keeps its frames.
    """

    camera: str | None = None
    camera_of: Callable[[CameraSettings], Camera]
    now: Callable[[], datetime.datetime] = utc_now
    answer_s: float = cloud_side.ANSWER_S
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def examine(config: Path, options: Options, show: Callable[[Finding], None]) -> Examination:
    """Examine the device whose settings are in *config*; show each finding as it comes."""
    examination = Examination(show)
    settings = examination.obtain(
        "settings",
        lambda: Settings.load(config).with_camera(options.camera),
        lambda found: ok(f"{config}: thing {found.thing}"),
    )
    if settings is None:
        examination.skip(CHECKS[1:], "settings")
        return examination
    who = examination.obtain(
        "certificate",
        lambda: identity.load(settings.iot, time_of_day=TimeOfDay(now=options.now)),
        lambda found: judge_certificate(found, options.now),
    )
    for what, address in surroundings.places(settings).items():
        examination.check(what, functools.partial(surroundings.reach, address))
    examination.check(
        "clock",
        lambda: surroundings.clock(surroundings.s3_url(settings), options.now),
        needs=["storage"],
    )
    _examine_cloud(examination, settings, who, options)
    examination.check(
        "disk", lambda: surroundings.disk(surroundings.kept_in(settings, options.environment))
    )
    examination.check(
        "camera",
        lambda: surroundings.camera(
            settings.camera.source, lambda: options.camera_of(settings.camera)
        ),
    )
    return examination


def judge_certificate(who: Identity, now: Callable[[], datetime.datetime]) -> Finding:
    """Judge a certificate, whose key fits, by its dates."""
    until = certificate.valid_until(who.certificate)
    days = (until - now()).days
    said = f"{who.certificate.name} is {who.private_key.name}'s, and valid until {until:%Y-%m-%d}"
    if days < RENEW_DAYS:
        return warning(f"{said}: {days} days", "give the device a new one before that")
    return ok(said)


def _examine_cloud(
    examination: Examination, settings: Settings, who: Identity | None, options: Options
) -> None:
    """Check what takes a certificate to be tried."""
    thing = settings.thing
    with contextlib.ExitStack() as open_:
        examination.check(
            "tls", lambda: cloud_side.tls(settings, given(who)), needs=["certificate", "broker"]
        )
        session = examination.obtain(
            "connect",
            lambda: open_.enter_context(Session(settings.iot, given(who), thing)),
            lambda _: ok(f"connected as {thing}"),
            needs=["certificate", "tls"],
        )
        examination.check(
            "subscribe", lambda: cloud_side.subscribe(given(session), thing), needs=["connect"]
        )
        examination.check(
            "publish",
            lambda: cloud_side.publish(given(session), thing, options.now),
            needs=["connect"],
        )
        _examine_frame(examination, settings, who, session, options)


def _examine_frame(
    examination: Examination,
    settings: Settings,
    who: Identity | None,
    session: Session | None,
    options: Options,
) -> None:
    """Check the way of a frame: the right to put it, the bucket, and what comes back."""
    fetched = examination.obtain(
        "role alias",
        lambda: cloud_side.fetch_credentials(settings, given(who)),
        lambda found: cloud_side.judge_credentials(found, options.now),
        needs=["certificate", "credentials"],
    )
    frame = cloud_side.trial_frame(settings.thing, options.now())
    store = S3FrameStore(settings.storage, lambda: given(fetched))
    examination.check(
        "upload", lambda: cloud_side.upload(store, frame), needs=["role alias", "storage"]
    )
    examination.check(
        "round trip",
        lambda: cloud_side.round_trip(
            given(session),
            settings,
            frame,
            where=settings.iot.frames_topic(settings.thing),
            answer_s=options.answer_s,
        ),
        needs=["subscribe", "upload"],
    )
