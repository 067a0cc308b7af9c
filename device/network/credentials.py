"""AWS credentials for a certificate, by IoT Core's credentials provider.

The provider takes the device's certificate, and gives what the role behind the role alias may do
for an hour; botocore asks again by itself before that ends. (awscrt has a client for it, which
cannot use any port but 443 and asks anew for each request.)
"""

import json
import logging
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPException, HTTPSConnection
from typing import Any

from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials

from device.clock import utc_now
from device.network.diagnosis import explain
from device.network.identity import Identity
from sightline.errors import ConfigError, TransportError

log = logging.getLogger(__name__)

Fetch = Callable[[], dict[str, str]]


class CredentialsEndpoint:
    """IoT Core's credentials provider, for one thing and one role alias."""

    def __init__(
        self, address: str, role_alias: str, thing: str, identity: Identity, *, timeout_s: float = 5
    ) -> None:
        """Prepare to ask *address*, a "host" or "host:port"."""
        host, _, port = address.partition(":")
        self._host = host
        self._port = int(port or 443)
        self._role_alias = role_alias
        self._thing = thing
        self._identity = identity
        self._timeout_s = timeout_s

    def fetch(self) -> dict[str, str]:
        """Get credentials, as `RefreshableCredentials` wants them.

        Raises:
            ConfigError: The provider refuses: certificate, thing, policy or role alias are wrong.
            TransportError: It cannot be reached, or is in trouble.
        """
        where = f"{self._host}:{self._port}"
        try:
            status, body = self._get()
        except OSError as err:
            raise explain(err, self._identity, self._host, self._port) from err
        except HTTPException as err:
            raise TransportError(f"{where} does not speak HTTP: {err!r}") from err
        if status != 200:
            raise self._refused(where, status, body)
        try:
            given = json.loads(body)["credentials"]
            return {
                "access_key": given["accessKeyId"],
                "secret_key": given["secretAccessKey"],
                "token": given["sessionToken"],
                "expiry_time": datetime.fromisoformat(given["expiration"]).isoformat(),
            }
        except (ValueError, KeyError, TypeError) as err:
            # Not `from err`: its text could hold a key.
            raise TransportError(f"{where} gave no credentials: {type(err).__name__}") from None

    def _get(self) -> tuple[int, bytes]:
        connection = HTTPSConnection(
            self._host, self._port, timeout=self._timeout_s, context=self._identity.context()
        )
        try:
            connection.request(
                "GET",
                f"/role-aliases/{self._role_alias}/credentials",
                headers={"x-amzn-iot-thingname": self._thing},
            )
            response = connection.getresponse()
            return response.status, response.read(100_000)
        finally:
            connection.close()

    def _refused(self, where: str, status: int, body: bytes) -> ConfigError | TransportError:
        try:
            said = str(json.loads(body)["message"])[:200]
        except (ValueError, KeyError, TypeError):
            said = "no reason given"
        if 400 <= status < 500 and status not in (408, 429):
            return ConfigError(
                f"{where} gives thing {self._thing} no credentials for role alias "
                f"{self._role_alias} ({status}: {said}); is its certificate active (not "
                "revoked), are the alias and the thing right, and does the certificate's policy "
                "allow iot:AssumeRoleWithCertificate?"
            )
        return TransportError(f"{where} gives no credentials now ({status}: {said})")


class _Provider(CredentialProvider):  # type: ignore[misc]
    METHOD = "iot-credentials-provider"

    def __init__(self, fetch: Fetch, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._fetch = fetch
        self._now = now

    def load(self) -> RefreshableCredentials:
        return RefreshableCredentials.create_from_metadata(
            self._fresh(), refresh_using=self._fresh, method=self.METHOD
        )

    def _fresh(self) -> dict[str, str]:
        """Get credentials that hold; of others botocore would make an error that says nothing."""
        given = self._fetch()
        until = datetime.fromisoformat(given["expiry_time"])
        if until <= self._now():
            raise TransportError(
                f"the credentials given end at {until:%Y-%m-%d %H:%M} UTC, and it is later here; "
                "is this clock right?"
            )
        return given


def resolver(fetch: Fetch, now: Callable[[], datetime] = utc_now) -> Any:
    """Make what a botocore session finds its credentials by: by *fetch* and nothing else."""
    return CredentialResolver([_Provider(fetch, now)])
