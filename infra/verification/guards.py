"""What must be refused, or end where it should: rights, revocation, dead letters, logs."""

import base64
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from cloud.metrics import DIMENSION, NAMESPACE
from device.doctor.cloud_side import trial_frame
from device.doctor.finding import Finding, fault, not_tried, ok
from device.network import identity
from device.network.credentials import CredentialsEndpoint
from device.network.s3_frame_store import S3FrameStore
from device.network.session import Session
from device.settings import Settings
from infra.account import translated
from infra.demo.rehearsal import FILES, KNOWN, PORTRAITS
from infra.deploying import stack as stacks
from infra.operating.watcher import Watcher
from infra.target import Target
from infra.verification.patience import EVERY_S, PATIENCE_S, Say, rounds
from infra.verification.props import Props, dead_letters
from sightline.errors import ConfigError, SightlineError, TransportError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected
from sightline.topics import topic

# As long as a picture's would be, and longer than any name or token that is logged.
PICTURE_IN_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}")
_CONNECT_PAUSES_S = (1.0, 2.0, 4.0, 8.0)


def connect(settings: Settings, *, sleep: Callable[[float], None]) -> Finding:
    """Connect with the new certificate; on AWS it takes seconds until all of it knows one."""
    who, began = identity.load(settings.iot), time.monotonic()
    for pause_s in (*_CONNECT_PAUSES_S, None):
        try:
            with Session(settings.iot, who, settings.thing) as session:
                session.subscribe(topic(settings.thing, "results"))
        except SightlineError:
            if pause_s is None:
                raise
            sleep(pause_s)
        else:
            break
    return ok(f"taken {time.monotonic() - began:.1f} s after it was made")


def repeat(operator: Watcher, settings: Settings, key: str) -> Finding:
    """Send a frame's reference again."""
    reference = FrameCaptured(key=key)
    before = len(operator.answers(reference.frame_id))
    operator.send(settings.thing, reference)
    again = operator.answers(reference.frame_id, count=before + 1)[-1]
    if not isinstance(again, FrameRecognized) or not again.repeat:
        return fault("a reference that came again was not answered as a repeat", "see its log")
    return ok("answered from the store")


def foreign_key(operator: Watcher, props: Props) -> Finding:
    """Refer to another device's frame."""
    frame_id = f"{props.thing}-foreign"
    operator.send(props.thing, FrameCaptured(key=f"frames/{props.other}/1.jpg", frame_id=frame_id))
    return _rejected(operator.answer(frame_id), "foreign_key")


def malformed(operator: Watcher, props: Props) -> Finding:
    """Send what is no JSON but a picture, which must not be logged either."""
    picture = (PORTRAITS / FILES[KNOWN]).read_bytes()[:40_000]
    operator.send(props.thing, base64.b64encode(picture))
    where = topic(props.thing, "errors")
    found = operator.wait_for(lambda each: each.topic == where and b'"not_json"' in each.payload)
    return ok("rejected as not_json") if found else fault("nobody answered", "see its log")


def own_topics(settings: Settings, props: Props) -> Finding:
    """Try to speak and to hear as another device, and as the cloud."""
    tries: dict[str, Callable[[Session], object]] = {
        "publish frames of another": lambda session: session.publish(
            topic(props.other, "frames"), b"{}"
        ),
        "publish its own results": lambda session: session.publish(
            topic(props.thing, "results"), b"{}"
        ),
        "hear another's results": lambda session: session.subscribe(topic(props.other, "results")),
    }
    allowed, who = [], identity.load(settings.iot)
    for what, do in tries.items():
        # A connection each: a broker may end the one that tried what it may not.
        with Session(settings.iot, who, settings.thing) as session:
            session.subscribe(topic(props.thing, "results"))  # what it may, it can
            if not _denied(session, do):
                allowed.append(what)
    return _all_refused(allowed, tries)


def own_frames(settings: Settings, props: Props, now: datetime) -> Finding:
    """Try to put a frame as another device, and to get that device's credentials."""
    storage, who = settings.storage, identity.load(settings.iot)

    def endpoint(thing: str) -> CredentialsEndpoint:
        return CredentialsEndpoint(storage.credentials_endpoint, storage.role_alias, thing, who)

    store = S3FrameStore(storage, endpoint(settings.thing).fetch)
    own, others = trial_frame(props.thing, now), trial_frame(props.other, now)
    store.put(own.key, own.data, own.sha256)
    tries: dict[str, Callable[[], object]] = {
        "put a frame of another": lambda: store.put(others.key, others.data, others.sha256),
        "get another's credentials": lambda: endpoint(props.other).fetch(),
    }
    allowed = [what for what, do in tries.items() if not _refused(do)]
    return _all_refused(allowed, tries)


def revoked(settings: Settings, props: Props, say: Say) -> Finding:
    """Take the certificate back while it is connected, then try to come back with it."""
    who, began = identity.load(settings.iot), time.monotonic()
    with Session(settings.iot, who, settings.thing) as session:
        props.revoke_device()
        while session.lost(2.0) is None and not _denied(session, _still_speaks):
            if time.monotonic() - began > PATIENCE_S:
                return fault(
                    f"a revoked certificate still publishes after {PATIENCE_S:.0f} s",
                    "delete it in the console, and tell us",
                )
            say("waiting for AWS IoT to throw the revoked certificate out …")
    took_s = time.monotonic() - began
    try:
        with Session(settings.iot, who, settings.thing):
            return fault("a revoked certificate connects again", "delete it in the console")
    except (ConfigError, TransportError):
        pass  # as it should be
    return ok(f"thrown out within {took_s:.0f} s, and not let in again")


def dead_letter(operator: Watcher, props: Props, now: datetime, say: Say) -> Finding:
    """Refer to a frame that the function may not read, and find it among the dead letters."""
    frame_id = new_frame_id(now)
    key = frame_key(props.thing, frame_id, now)
    # An archived object is there, yet nobody can read it before it is restored: no right is
    # missing, the device did nothing wrong, and no retry helps.
    props.store(key, (PORTRAITS / FILES[KNOWN]).read_bytes(), storage_class="GLACIER")
    operator.send(props.thing, FrameCaptured(key=key, frame_id=frame_id))
    for after_s in rounds("waiting for Lambda to give the bad event up", say):
        if dead_letters(props.where, of=props.thing):
            return ok(f"there after {after_s:.0f} s, and taken out again")
    return fault(
        f"no dead letter in {PATIENCE_S:.0f} s",
        "may the function send to the queue? `./run doctor` looks",
    )


def log_holds_no_picture(where: Target, since: datetime) -> Finding:
    """Read all that the function logged meanwhile."""
    lines = list(_log_lines(where, since))
    if not lines:
        return fault("the function logged nothing", "is its log group there? Deploy anew")
    pictures = sum(1 for line in lines if PICTURE_IN_BASE64.search(line))
    if pictures:
        return fault(f"{pictures} lines hold what may be a picture", "tell us, without the lines")
    return ok(f"no picture in {len(lines)} lines")


def metrics(where: Target, since: datetime, sleep: Callable[[float], None], say: Say) -> Finding:
    """Wait until CloudWatch has counted frames."""
    if where.facts is not None:
        return not_tried("there is no CloudWatch on one machine that reads them")
    for _ in rounds("waiting for CloudWatch to count the frames", say):
        with translated("reading the metric Frames"):
            points = where.client("cloudwatch").get_metric_statistics(
                Namespace=NAMESPACE,
                MetricName="Frames",
                Dimensions=[{"Name": DIMENSION, "Value": where.stack}],
                StartTime=since,
                EndTime=datetime.now(since.tzinfo),
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
        if points:
            return ok(f"{sum(point['Sum'] for point in points):.0f} frames counted")
        sleep(EVERY_S)
    return fault(f"no metric in {PATIENCE_S:.0f} s", "see the function's log for its EMF lines")


def _rejected(answer: object, reason: str) -> Finding:
    if isinstance(answer, FrameRejected) and answer.reason == reason:
        return ok(f"rejected as {reason}")
    return fault(f"it was not rejected as {reason}", "see the function's log")


def _refused(do: Callable[[], object]) -> bool:
    try:
        do()
    except ConfigError:  # a TransportError is no refusal, and rises
        return True
    return False


def _denied(session: Session, do: Callable[[Session], object]) -> bool:
    """Tell whether the broker forbids it, by its reason code or by ending the connection."""
    try:
        do(session)
    except TransportError as err:
        if "not authorized" in str(err) or session.lost(1.0) is not None:
            return True
        raise
    return False


def _still_speaks(session: Session) -> None:
    session.publish(topic(session.thing, "status"), b"{}")


def _all_refused(allowed: list[str], tries: Iterable[str]) -> Finding:
    if allowed:
        return fault(f"it may {', '.join(allowed)}", "deploy the stack anew, and tell us")
    return ok(f"refused: {', '.join(tries)}")


def _log_lines(where: Target, since: datetime) -> Iterator[str]:
    if where.facts is not None:
        logs = Path(where.facts.ca).parent / "logs"
        path = logs / f"{where.output('RecognizeFunction')}.log"
        yield from path.read_text(errors="replace").splitlines()
        return
    with translated("reading the function's log"):
        groups = {r.name: r.physical_id for r in stacks.resources(where.account, where.stack)}
        pages = where.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(
            logGroupName=groups["RecognizeLog"], startTime=int(since.timestamp() * 1000)
        ):
            yield from (event["message"] for event in page["events"])
