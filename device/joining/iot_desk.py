"""The desk at AWS IoT Core where certificates are given out: its fleet provisioning API over MQTT.

Source: AWS IoT Core developer guide, "Device provisioning MQTT API".
"""

import contextlib
import dataclasses
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from device.joining.claim import Certified, StaleTokenError
from device.network.identity import Identity
from device.network.iot_link import IotLink
from device.settings import IotSettings
from sightline.errors import ConfigError, SightlineError, TransportError
from sightline.fleet import CSR_TOPIC, SERIAL_PARAMETER, register_topic

CONNECT_S = 15.0
ANSWER_S = 20.0  # the hook has 5 s, and may start cold; then AWS IoT does the rest

_Answer = tuple[str, Mapping[str, Any]]  # "accepted" or "rejected", and what came with it


class RefusedError(ConfigError):
    """The fleet does not take the device."""


class IotDesk:
    """See `device.joining.claim.Desk`. Connected from `__enter__` to `__exit__`."""

    def __init__(
        self, settings: IotSettings, identity: Identity, client_id: str, template: str
    ) -> None:
        """Prepare to connect: with a claim's identity and client id, or a thing's own."""
        # Nothing is to be kept for us here once we are gone.
        settings = dataclasses.replace(settings, session_expiry_s=0)
        self._link = IotLink(settings, identity, client_id)
        self._template = template
        self._answers: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigError: The broker is not who it should be, or refuses us.
            TransportError: It does not answer.
        """
        ready = threading.Event()
        self._link.on_connected(ready.set)
        for topic in (CSR_TOPIC, register_topic(self._template)):
            for end in ("accepted", "rejected"):
                self._link.subscribe(f"{topic}/{end}", self._receive)
        with self._open:
            self._open.enter_context(self._link)
            if not ready.wait(CONNECT_S):
                raise TransportError(
                    "the broker is out of reach, or does not take this certificate, or does not "
                    "let it ask for another; was it revoked?"
                )
            self._open = self._open.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    def certify(self, request: str) -> Certified:
        """See `Desk.certify`."""
        answer = self._ask(CSR_TOPIC, {"certificateSigningRequest": request})
        with _understanding():
            return Certified(
                certificate_id=str(answer["certificateId"]),
                certificate=str(answer["certificatePem"]),
                token=str(answer["certificateOwnershipToken"]),
            )

    def register(self, token: str, serial: str) -> str:
        """See `Desk.register`."""
        topic = register_topic(self._template)
        asked = {"certificateOwnershipToken": token, "parameters": {SERIAL_PARAMETER: serial}}
        try:
            answer = self._ask(topic, asked)
        except RefusedError:
            # AWS IoT says the same when its function took over 5 s, as one may that starts cold.
            answer = self._ask(topic, asked)
        with _understanding():
            return str(answer["thingName"])

    def _receive(self, topic: str, payload: bytes) -> None:
        self._answers.put((topic, payload))

    def _ask(self, topic: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
        while True:  # what came too late for an earlier question
            try:
                self._answers.get_nowait()
            except queue.Empty:
                break
        self._link.publish(topic, json.dumps(message).encode())
        try:
            came_on, payload = self._answers.get(timeout=ANSWER_S)
        except queue.Empty:
            raise TransportError(f"no answer on {topic} within {ANSWER_S:g} s") from None
        with _understanding():
            answer: Mapping[str, Any] = json.loads(payload)
            if came_on == f"{topic}/accepted":
                return answer
            raise refusal(
                int(answer["statusCode"]),
                str(answer["errorCode"]),
                str(answer.get("errorMessage", "")),
                self._template,
            )


@contextlib.contextmanager
def _understanding() -> Iterator[None]:
    try:
        yield
    except SightlineError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        # Not `from err`, which could hold a token.
        raise TransportError(f"an answer that is none: {type(err).__name__}") from None


def refusal(status: int, code: str, message: str, template: str) -> SightlineError:
    """Say what a rejection means; AWS IoT gives a code, and of the hook's reasons nothing."""
    said = f"{code}: {message}"[:300]
    if code == "InvalidCertificateOwnershipToken":
        return StaleTokenError(f"the ownership token does not hold any more ({said})")
    if code == "AccessDenied":
        return RefusedError(
            "the fleet does not take it: the number is not on the list, or was claimed before with "
            "another certificate. ./run serials list shows it; ./run serials add or release mends "
            f"it; the log of the function that admits devices has the reason ({said})"
        )
    if code in ("InvalidTemplate", "ResourceNotFound", "ResourceNotFoundException"):
        return ConfigError(
            f"there is no provisioning template {template}, or it is switched off ({said}); set "
            "[claim] template to the stack's output FleetTemplate"
        )
    if code == "InvocationError" or status == 429 or status >= 500:
        return TransportError(f"AWS IoT cannot serve it now ({said})")
    return ConfigError(f"AWS IoT refuses it ({said})")
