"""Clients of AWS's services, and what their errors mean: named after who can mend them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
from urllib3.exceptions import HTTPError

from sightline.errors import ConfigError, MissingError, TransportError

Client = Any  # boto3 makes its clients' methods while it runs; there is no type to name

# A worker has few threads, so few connections; and an answer that takes longer than this comes too
# late, so that a new try is worth more than the wait.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=6,
)

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_NO_RIGHT = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "ForbiddenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnauthorizedException",
        "UnrecognizedClientException",
    }
)
_NOT_THERE = frozenset({"NoSuchBucket", "ResourceNotFoundException"})


def client(session: Session, service: str, url: str | None = None) -> Client:
    """Make a client with this project's time-outs and retries.

    Args:
        url: The endpoint; None: AWS's own, or what `AWS_ENDPOINT_URL` says.
    """
    try:
        return session.client(service, endpoint_url=url, config=_CONFIG)
    except (BotoCoreError, ValueError) as err:
        raise ConfigError(f"no client for {service}: {err}") from err


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Translate every error of AWS's SDK that is raised inside; *what* was being done.

    Raises:
        MissingError: An object is not there.
        ConfigError: A right, a table, a bucket or the credentials are missing.
        TransportError: Anything else: a time-out, too many requests, an error of the service.
    """
    try:
        yield
    except ClientError as err:
        raise _translated(what, err) from err
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as err:
        raise ConfigError(f"{what}: {err}") from err
    except ParamValidationError as err:
        raise ConfigError(f"{what}: {err}".replace("\n", " ")) from err
    except (BotoCoreError, HTTPError) as err:
        # urllib3's own come through while a body is being read.
        raise TransportError(f"{what}: {err}") from err


def code(err: ClientError) -> str:
    """Return AWS's word for an error, such as `NoSuchKey`."""
    return str(err.response.get("Error", {}).get("Code", ""))


def _translated(what: str, err: ClientError) -> ConfigError | TransportError:
    kind = code(err)
    if kind in _MISSING:
        return MissingError(f"{what}: there is no such object")
    if kind in _NO_RIGHT:
        return ConfigError(f"{what}: AWS refuses it ({kind}); check the role and its policy")
    if kind in _NOT_THERE:
        return ConfigError(f"{what}: it does not exist ({kind}); is the stack deployed?")
    return TransportError(f"{what}: {err}")
