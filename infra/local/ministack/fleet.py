"""Fleet provisioning, and certificates taken back, as AWS IoT has them. Runs inside MiniStack.

- A device may send a CSR over MQTT: MiniStack knows the topic, and answers nothing on it.
- A session ends when its certificate is no longer active, as AWS IoT says it does within minutes;
  MiniStack refuses the certificate from then on, and keeps the sessions that are open.
"""

import json
import secrets
import time
from typing import Any

CSR_TOPIC = "$aws/certificates/create-from-csr/json"
_CSR = "create-from-csr"


def certify_requests() -> None:
    """Have the broker answer CreateCertificateFromCsr, as it does CreateKeysAndCertificate."""
    from ministack.services import iot

    parse, reply = iot._parse_fleet_provisioning_topic, iot._fleet_provisioning_reply

    def parse_topic(topic: str) -> Any:
        return (_CSR, None) if topic == CSR_TOPIC else parse(topic)

    async def answer(
        account: str, region: str, operation: str, template: Any, payload: bytes, connection: Any
    ) -> Any:
        if operation == _CSR:
            return _certify(account, region, payload)
        return await reply(account, region, operation, template, payload, connection)

    iot._parse_fleet_provisioning_topic = parse_topic
    iot._fleet_provisioning_reply = answer


def _certify(account: str, region: str, payload: bytes) -> Any:
    """Sign a request: a certificate that waits to be activated, and the token that says whose.

    Source: AWS IoT Core developer guide, "CreateCertificateFromCsr".
    """
    from ministack.services import iot

    try:
        request = json.loads(payload)["certificateSigningRequest"]
        pem = iot.sign_certificate_request(*iot._ensure_ca(), request)
    except (ValueError, KeyError, TypeError, AttributeError):
        return iot._fleet_rejected("InvalidRequest", "CSR violates constraints")
    certificate = iot.get_certificate_id(pem)
    token = secrets.token_urlsafe(48)
    with iot.request_scope(account, region):
        iot._certificates[certificate] = iot._certificate_record(
            certificate, pem, "PENDING_ACTIVATION"
        )
        iot._drop_expired(iot._ownership_tokens)
        iot._ownership_tokens[token] = {
            "certificateId": certificate,
            "expiration": time.time() + iot._OWNERSHIP_TOKEN_SECONDS,
        }
    return "accepted", {
        "certificateId": certificate,
        "certificatePem": pem,
        "certificateOwnershipToken": token,
    }


def end_sessions_of_revoked() -> None:
    """Have a request that takes a certificate's right away end the sessions that are open with it.

    Source: AWS IoT API reference, "UpdateCertificate".
    """
    from ministack.services import iot

    handle = iot.handle_request

    async def handle_request(method: str, path: str, *rest: Any, **more: Any) -> Any:
        answer = await handle(method, path, *rest, **more)
        if method in ("PUT", "DELETE") and path.startswith("/certificates/"):
            for session in list(iot._connected_clients.values()):
                certificate = session.certificate_id
                if certificate is not None and not iot._mtls_active_registrations(certificate):
                    await session._send({"type": "websocket.close", "code": 1008})
        return answer

    iot.handle_request = handle_request
