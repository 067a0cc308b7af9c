"""The credentials provider of AWS IoT, on this machine: a certificate in, temporary keys out.

`GET /role-aliases/<alias>/credentials` over mutual TLS, with the thing's name in the header
`x-amzn-iot-thingname`. A device cannot tell it from AWS's but by its address.
"""

import hashlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from botocore.exceptions import BotoCoreError, ClientError

from infra.account import Account, error_code
from infra.local.iot_policy import allows
from infra.local.ministack.policies import THING_TAG
from infra.local.ports import LOOPBACK
from sightline.errors import ConfigError

HANDSHAKE_WITHIN_S = 10
_REFUSED = "Access Denied"  # AWS tells a stranger no more; our log says why

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAlias:
    """What a role alias stands for."""

    arn: str
    role_arn: str
    duration_s: int = 3600


class RefusedError(Exception):
    """The caller may not have these credentials; the text is for the log."""


class CredentialsProvider:
    """Decides who gets which credentials."""

    def __init__(self, account: Account, aliases: Mapping[str, RoleAlias]) -> None:
        self._account = account
        self._aliases = aliases

    def has(self, alias: str) -> bool:
        """Whether there is such a role alias."""
        return alias in self._aliases

    def credentials(self, alias: str, thing: str, certificate_der: bytes) -> dict[str, str]:
        """Return the `credentials` of AWS's answer.

        Raises:
            RefusedError: Certificate, thing, policy or role do not allow it.
        """
        role = self._aliases[alias]
        iot = self._account.client("iot")
        certificate_id = hashlib.sha256(certificate_der).hexdigest()
        try:
            found = iot.describe_certificate(certificateId=certificate_id)
            certificate = found["certificateDescription"]
            if certificate["status"] != "ACTIVE":
                raise RefusedError(f"certificate {certificate_id[:12]} is {certificate['status']}")
            arn = certificate["certificateArn"]
            if thing not in iot.list_principal_things(principal=arn)["things"]:
                raise RefusedError(f"certificate {certificate_id[:12]} is not of thing {thing!r}")
            attached = iot.list_attached_policies(target=arn)["policies"]
            documents = [
                iot.get_policy(policyName=p["policyName"])["policyDocument"] for p in attached
            ]
            if not allows(documents, "iot:AssumeRoleWithCertificate", role.arn):
                raise RefusedError(f"no policy of thing {thing!r} allows {role.arn}")
            return self._assume(role, thing)
        except ClientError as err:
            raise RefusedError(f"thing {thing!r}: {error_code(err)}: {err}") from err

    def _assume(self, role: RoleAlias, thing: str) -> dict[str, str]:
        answer = self._account.client("sts").assume_role(
            RoleArn=role.role_arn,
            RoleSessionName=f"iot-{thing}"[:64],
            DurationSeconds=role.duration_s,
            # Becomes ${credentials-iot:ThingName} in the role's policy, see there.
            Tags=[{"Key": THING_TAG, "Value": thing}],
        )["Credentials"]
        return {
            "accessKeyId": answer["AccessKeyId"],
            "secretAccessKey": answer["SecretAccessKey"],
            "sessionToken": answer["SessionToken"],
            "expiration": answer["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class CredentialsEndpoint:
    """Serves a `CredentialsProvider` from `start` to `stop`, on loopback."""

    def __init__(
        self, provider: CredentialsProvider, *, port: int, certificate: Path, client_ca: str
    ) -> None:
        """Prepare; nothing listens yet.

        Args:
            provider: Decides.
            port: To listen on; 0 for any.
            certificate: The server's key and certificate, one PEM file.
            client_ca: PEM of the authority that signs devices' certificates.
        """
        self._provider = provider
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(certificate)
        self._context.load_verify_locations(cadata=client_ca)
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """`host:port`, as a device's settings have it."""
        port = self._server.server_address[1] if self._server else self._port
        return f"{LOOPBACK}:{port}"

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The port is in use.
        """
        try:
            self._server = _Server((LOOPBACK, self._port), self._provider, self._context)
        except OSError as err:
            raise ConfigError(
                f"port {self._port} for the credentials endpoint: {err.strerror}"
            ) from err
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="credentials-endpoint",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """Stop listening; safe to call twice."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a fleet comes back all at once
    block_on_close = False  # a device that keeps its connection open must not hold up the stop

    def __init__(
        self, address: tuple[str, int], provider: CredentialsProvider, context: ssl.SSLContext
    ) -> None:
        self.provider = provider
        self._context = context
        super().__init__(address, _Request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands here, in the connection's own thread: a mute client blocks nobody else."""
        request.settimeout(HANDSHAKE_WITHIN_S)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            secured = self._context.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError) as err:
            log.info("credentials refused at the handshake: %s", err)
            return
        with secured:
            super().finish_request(secured, client_address)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANDSHAKE_WITHIN_S

    def do_GET(self) -> None:
        """Answer as AWS IoT's credentials provider does."""
        provider = cast(_Server, self.server).provider
        match self.path.strip("/").split("/"):
            case ["role-aliases", alias, "credentials"] if provider.has(alias):
                self._give(provider, alias)
            case ["role-aliases", _, "credentials"]:
                self._answer(HTTPStatus.NOT_FOUND, {"message": "Role alias does not exist"})
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"message": "Not Found"})

    def _give(self, provider: CredentialsProvider, alias: str) -> None:
        thing = self.headers.get("x-amzn-iot-thingname", "")
        certificate = cast(ssl.SSLSocket, self.connection).getpeercert(binary_form=True)
        try:
            credentials = provider.credentials(alias, thing, certificate or b"")
        except RefusedError as err:
            log.warning("credentials refused: %s", err)
            self._answer(HTTPStatus.FORBIDDEN, {"message": _REFUSED})
        except BotoCoreError as err:
            log.warning("no credentials to give: %s", err)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"message": "Internal Server Error"})
        else:
            self._answer(HTTPStatus.OK, {"credentials": credentials})

    def _answer(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Keep to our log; what matters is logged above."""
        log.debug(format, *args)
