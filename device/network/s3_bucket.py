"""The media bucket, by botocore: the client, its credentials, and what S3's answers mean."""

import contextlib
import os
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError
from botocore.handlers import add_expect_header

from device.network import diagnosis
from device.network.credentials import Fetch, resolver
from device.network.s3_tables import S3Tables
from device.settings import StorageSettings
from sightline.errors import ConfigError, TransportError

_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "ExpiredToken"}
# A local stack that was started anew does not know what it gave out before.
_FORGOTTEN = {"InvalidAccessKeyId", "ExpiredToken", "InvalidToken"}
_OPERATORS = {
    "NoSuchBucket": "there is no such bucket; set [storage] bucket to the stack's MediaBucket",
    "AccessDenied": "the role behind the role alias may not put this key there; deploy the stack "
    "anew, and see that the thing's name is the certificate's",
    "InvalidAccessKeyId": "it does not know the credentials it was shown; do [storage] "
    "s3_endpoint and credentials_endpoint belong together?",
    "SignatureDoesNotMatch": "it does not take the signature; is [storage] region right?",
    "PermanentRedirect": "the bucket is in another region; set [storage] region",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set [storage] region",
}


class S3Bucket:
    """The bucket of some settings. Safe from any thread."""

    def __init__(self, settings: StorageSettings, fetch: Fetch, *, connections: int = 2) -> None:
        """Prepare to reach it, with the credentials that *fetch* gives."""
        self.name = settings.bucket
        self._settings = settings
        self._fetch = fetch
        self._connections = connections
        self._lock = threading.Lock()
        self._client: Any = None

    @contextlib.contextmanager
    def request(self) -> Iterator[Any]:
        """Give botocore's client, and turn its errors into ours.

        That an object is there already is none: what is in the `with` ends then, without a word.

        Raises:
            TransportError: It did not work; try again later.
            ConfigError: It will not work until the operator changes something.
        """
        try:
            yield self.connected()
        except ClientError as err:
            if err.response.get("Error", {}).get("Code") in _FORGOTTEN:
                self._forget()
            problem = refusal(err, self.name)
            if problem is not None:
                raise problem from err
        except BotoCoreError as err:
            raise failure(err, self.name) from err

    def _forget(self) -> None:
        """Ask for other credentials next time: who gave these has forgotten them, or their hour."""
        with self._lock:
            self._client = None

    def connected(self) -> Any:
        """Give botocore's client: once its tables are loaded, and there are credentials."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        # What the settings say, and nothing else, counts: no profile, no file in ~/.aws.
        nothing = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        session = botocore.session.Session(session_vars=nothing)
        session.register_component("credential_provider", resolver(self._fetch))
        session.register_component("data_loader", S3Tables())
        endpoint = self._settings.s3_endpoint
        client = session.create_client(
            "s3",
            region_name=self._settings.region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=5,
                read_timeout=10,
                max_pool_connections=self._connections,
                retries={"mode": "standard", "total_max_attempts": 2},
                s3={
                    "addressing_style": "path" if endpoint else "virtual",
                    "us_east_1_regional_endpoint": "regional",  # that region is one like the others
                },
                ignore_configured_endpoint_urls=True,
                tcp_keepalive=True,
            ),
        )
        # "Expect: 100-continue" costs a round trip before a body that fits into a few packets.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return client


def refusal(err: ClientError, bucket: str) -> ConfigError | TransportError | None:
    """Say what S3's answer means; None if the frame is there already, so all is well."""
    code = str(err.response.get("Error", {}).get("Code", ""))
    status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in ("PreconditionFailed", "412") or status == 412:
        return None
    if code in _CLOCK:
        return TransportError(
            f"bucket {bucket}: {code}: by S3's clock it is another time; is this clock right? See "
            "`timedatectl`"
        )
    if code in _OPERATORS:
        return ConfigError(f"bucket {bucket}: {_OPERATORS[code]}")
    return TransportError(f"bucket {bucket}: {code or 'no code'} ({status})")


def failure(err: BotoCoreError, bucket: str) -> ConfigError | TransportError:
    """Say why there was no answer; botocore's own text has the key: another with each frame."""
    url = urlsplit(str(err.kwargs.get("endpoint_url", "")))
    beneath = _beneath(err)
    if beneath is None or url.hostname is None:
        return TransportError(
            f"bucket {bucket} cannot be reached: {type(err).__name__}; is the network up?"
        )
    port = url.port or (443 if url.scheme == "https" else 80)
    problem = diagnosis.explain(beneath, None, url.hostname, port)
    kind = ConfigError if isinstance(problem, ConfigError) else TransportError
    return kind(f"bucket {bucket} cannot be reached: {problem}")


def _beneath(err: BotoCoreError) -> OSError | None:
    """Find the error of the network that botocore and urllib3 have wrapped."""
    cause: BaseException | None = err
    while cause is not None and (
        isinstance(cause, BotoCoreError)  # some of which are OSErrors, too
        or not isinstance(cause, OSError)
    ):
        cause = cause.__cause__ or cause.__context__
    if cause is None and isinstance(err, SSLError):  # urllib3 itself compares the names
        cause = ssl.SSLCertVerificationError(1, "the certificate is for another name")
        cause.verify_code = diagnosis.HOST_MISMATCH
    return cause
