"""An AWS account: where clients point and whose keys they sign with.

The one place that knows AWS from one machine; everything else asks an `Account` for a client.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from sightline.errors import ConfigError, SightlineError, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key pair to sign with."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)


class Account:
    """Makes boto3 clients, one a service; safe to share between threads."""

    def __init__(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        key: AccessKey | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Point at AWS as its own tools do, or at *endpoint* with *key*.

        Raises:
            ConfigError: There is no such profile, or no region.
        """
        try:
            self.session = boto3.Session(
                region_name=region or os.environ.get("AWS_REGION"),  # which boto3 does not read
                profile_name=profile,
                aws_access_key_id=key.key_id if key else None,
                aws_secret_access_key=key.secret if key else None,
            )
        except BotoCoreError as err:
            raise ConfigError(f"AWS configuration: {err}") from err
        if not self.session.region_name:
            raise ConfigError("no AWS region; give one with --region, or set AWS_REGION")
        self.endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # making a client is not thread-safe, using one is

    @property
    def region(self) -> str:
        """The region of every client."""
        name: str = self.session.region_name
        return name

    def client(self, service: str) -> Any:
        """Return the client of a service by boto3's name for it."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.session.client(
                    service,
                    endpoint_url=self.endpoint,
                    config=Config(
                        connect_timeout=10, retries={"mode": "standard"}, max_pool_connections=32
                    ),
                )
            return self._clients[service]

    def account_id(self) -> str:
        """Ask AWS whose account this is.

        Raises:
            ConfigError: There are no credentials, or they are refused.
            TransportError: AWS is out of reach.
        """
        with translated("asking whose account this is"):
            answer: str = self.client("sts").get_caller_identity()["Account"]
        return answer


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn boto3's errors into ours, naming what was being done."""
    try:
        yield
    except SightlineError:
        raise
    except (HTTPClientError, NoConnectionError) as err:  # the latter is no kind of the former
        raise TransportError(f"{doing}: {err}") from err
    except ClientError as err:
        error = err.response["Error"]
        kind = TransportError if error["Code"] in _PASSING else ConfigError
        raise kind(f"{doing}: {error['Code']}: {error.get('Message', '')}") from err
    except BotoCoreError as err:
        raise ConfigError(f"{doing}: {' '.join(str(err).split())}") from err  # some have lines


_PASSING = {
    "InternalFailure",
    "InternalError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


def error_code(err: ClientError) -> str:
    """Return AWS's code for what went wrong."""
    code: str = err.response["Error"]["Code"]
    return code
