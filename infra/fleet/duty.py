"""One agent of a fleet: the real one, put together as `device.__main__` does, and watched."""

import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from device.agent import Agent
from device.answers.results import Outcome
from device.cameras.clip_camera import ClipCamera
from device.clock import utc_now
from device.gate.building import gatekeeper_for
from device.network import identity
from device.network.credentials import CredentialsEndpoint
from device.network.iot_link import IotLink
from device.network.s3_frame_store import S3FrameStore
from device.remote.status import last_will
from device.settings import Settings
from device.spooling.building import open_spool
from infra.demo.clip import read_number
from infra.fleet.events import Emit, Event, Named
from infra.fleet.watched_spool import WatchedSpool
from infra.local.ports import LOOPBACK
from sightline.errors import SightlineError, TransportError
from sightline.messages import FrameRecognized
from sightline.topics import topic

log = logging.getLogger(__name__)

_EARLY = 0.9  # of a clip's pace: at the whole of it, a frame that is due late would be passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What one agent is to do.

    Attributes:
        settings: Its device.toml.
        clip: Its camera; played again and again, a frame of it each `interval_s`.
        folder: For its spool.
        mqtt_port, credentials_port, s3_port: On loopback, instead of the settings'.
        begin_after_s: How long after the fleet's begin it starts.
        gate: `off`, `motion` or `faces`: which frames are sent.
        answer_timeout_s, attempts: See `device.settings.UplinkSettings`.
        session_expiry_s, reconnect_most_s: See `device.settings.IotSettings`.
        max_frames, max_age_s: See `device.spooling.settings.SpoolSettings`.
    """

    thing: str
    settings: str
    clip: str
    folder: str
    mqtt_port: int
    credentials_port: int
    s3_port: int
    interval_s: float
    begin_after_s: float = 0.0
    gate: str = "off"
    answer_timeout_s: float = 30.0
    attempts: int = 2
    max_frames: int = 50_000
    max_age_s: float = 86_400.0
    session_expiry_s: int = 3600
    reconnect_most_s: float = 5.0


def settings_of(duty: Duty) -> Settings:
    """Read the settings, and have it all go over the duty's ports.

    Raises:
        ConfigError: They cannot be.
    """
    read = Settings.read(Path(duty.settings))
    return dataclasses.replace(
        read,
        iot=dataclasses.replace(
            read.iot,
            endpoint=LOOPBACK,
            port=duty.mqtt_port,
            keep_alive_s=30,
            reconnect_most_s=duty.reconnect_most_s,
            session_expiry_s=duty.session_expiry_s,
        ),
        storage=dataclasses.replace(
            read.storage,
            credentials_endpoint=f"{LOOPBACK}:{duty.credentials_port}",
            s3_endpoint=f"http://{LOOPBACK}:{duty.s3_port}",
        ),
        camera=dataclasses.replace(read.camera, source=duty.clip, loop=True),
        frames=dataclasses.replace(read.frames, interval_s=max(0.02, duty.interval_s * _EARLY)),
        gate=dataclasses.replace(read.gate, mode=duty.gate),
        spool=dataclasses.replace(
            read.spool,
            folder=Path(duty.folder) / "spool",
            max_frames=duty.max_frames,
            max_age_s=duty.max_age_s,
        ),
        uplink=dataclasses.replace(
            read.uplink, answer_timeout_s=duty.answer_timeout_s, attempts=duty.attempts
        ),
    )


def serve(duty: Duty, emit: Emit, *, finish: threading.Event, stop: threading.Event) -> None:
    """Run the agent; it never raises, but tells of its failure.

    Args:
        finish: From when it is set the agent takes no more frames, and finishes those it has.
        stop: Ends it although there are some left.
    """
    try:
        counts = _serve(duty, emit, finish, stop)
    except SightlineError as err:
        emit(Event(what="failed", device=duty.thing, at_s=time.monotonic(), text=str(err)))
    except Exception as err:
        log.exception("the agent of %s", duty.thing)
        emit(Event(what="failed", device=duty.thing, at_s=time.monotonic(), text=repr(err)))
    else:
        emit(Event(what="ended", device=duty.thing, at_s=time.monotonic(), counts=counts))


def _serve(
    duty: Duty, emit: Emit, finish: threading.Event, stop: threading.Event
) -> dict[str, int]:
    settings = settings_of(duty)
    store, link = _outside(settings)
    with open_spool(settings, os.environ) as spool:
        with contextlib.suppress(TransportError):
            store.prepare()
        with link:
            watched = WatchedSpool(
                spool, duty.thing, emit, max_age_s=duty.max_age_s, number_of=number_of
            )
            camera = ClipCamera(Path(settings.camera.source), loop=True)
            observers = [watcher(duty.thing, emit)]
            agent = Agent(
                settings,
                camera,
                watched,
                store,
                link,
                observers=observers,
                gatekeeper=gatekeeper_for(settings),
            )
            link.on_connected(
                lambda: emit(Event(what="linked", device=duty.thing, at_s=time.monotonic()))
            )

            def heed() -> None:
                finish.wait()
                agent.finish()

            threading.Thread(target=heed, daemon=True).start()
            agent.run(stop)
    done = asdict(agent.summary())
    return {name: value for name, value in done.items() if isinstance(value, int)}


def _outside(settings: Settings) -> tuple[S3FrameStore, IotLink]:
    """Make what speaks to the network, as `device.__main__` does."""
    who = identity.load(settings.iot)
    credentials = CredentialsEndpoint(
        settings.storage.credentials_endpoint, settings.storage.role_alias, settings.thing, who
    )
    store = S3FrameStore(settings.storage, credentials.fetch, connections=settings.uplink.uploads)
    link = IotLink(
        settings.iot,
        who,
        settings.thing,
        will_topic=topic(settings.thing, "status"),
        will=lambda: last_will(settings.thing, utc_now()),
    )
    return store, link


def watcher(thing: str, emit: Emit) -> Callable[[Outcome], None]:
    """Make what tells of each result."""

    def see(outcome: Outcome) -> None:
        message = outcome.message
        known = message.faces if isinstance(message, FrameRecognized) else ()
        emit(
            Event(
                what="result",
                device=thing,
                at_s=time.monotonic(),
                frame=message.frame_id or "",
                new=outcome.new,
                rejected=not isinstance(message, FrameRecognized),
                total_ms=outcome.stages_ms.get("total"),
                named=tuple(
                    Named(box=face.box, name=face.person.name) for face in known if face.person
                ),
            )
        )

    return see


def number_of(jpeg: bytes) -> int | None:
    """Read the number that is drawn into a frame of the fleet's clip."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else read_number(image.astype(np.uint8))
