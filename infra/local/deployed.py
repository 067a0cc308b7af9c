"""The functions and role aliases that were deployed, read back from where they were deployed to.

What runs is what CloudFormation made of the template, not what the template was meant to say.
"""

import hashlib
import http.client
import io
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from infra import template
from infra.account import Account, error_code, translated
from infra.local.credentials_endpoint import RoleAlias
from infra.local.lambda_service import Function
from sightline.errors import TransportError

# Lambda waits a minute, then two. Here somebody looks on, and the frame is stale by then.
RETRY_DELAYS_S = (1.0, 2.0)
_ROLE_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a function gets from this machine rather than from its deployment.

    Attributes:
        code_folder: Where code is unpacked, a folder a function and digest.
        python: The interpreter, with `awslambdaric` and what the functions import.
        environment: Variables that override the deployed ones.
        workers: The most that run at once, unless less was deployed as reserved concurrency.
        warm: The functions whose workers are all started before the first event.
    """

    code_folder: Path
    python: Path
    environment: Mapping[str, str]
    workers: int
    warm: Collection[str] = ()


def functions(account: Account, stack: str, surroundings: Surroundings) -> list[Function]:
    """Read every function of *stack*.

    Raises:
        TransportError: The gateway does not answer.
        ConfigError: It refuses.
    """
    with translated(f"reading the functions of the stack {stack}"):
        pages = account.client("cloudformation").get_paginator("list_stack_resources")
        names = [
            resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=stack)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        return [_read(account, name, surroundings) for name in names]


def _read(account: Account, name: str, surroundings: Surroundings) -> Function:
    lambda_ = account.client("lambda")
    found = lambda_.get_function(FunctionName=name)
    settings = found["Configuration"]
    reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
    workers = min(surroundings.workers, reserved or surroundings.workers)
    invokes = _invoke_settings(lambda_, name)
    return Function(
        name=name,
        handler=settings["Handler"],
        folder=_unpack(_download(found["Code"]["Location"], account), name, surroundings),
        python=surroundings.python,
        environment={
            **settings.get("Environment", {}).get("Variables", {}),
            **_logging(settings.get("LoggingConfig", {})),
            **_overrides(surroundings, settings.get("Environment", {}).get("Variables", {})),
        },
        timeout_s=settings["Timeout"],
        memory_mb=settings["MemorySize"],
        workers=workers,
        warm=workers if name in surroundings.warm else 0,
        retries=invokes.get("MaximumRetryAttempts", 2),
        retry_delays_s=RETRY_DELAYS_S,
        max_event_age_s=invokes.get("MaximumEventAgeInSeconds", 21_600),
        on_failure_arn=invokes.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
        refresh_environment=role_credentials(account, settings["Role"], name),
        account=settings["FunctionArn"].split(":")[4],
    )


def _overrides(surroundings: Surroundings, deployed: Mapping[str, str]) -> dict[str, str]:
    """This machine's variables, of our own those alone that the function knows."""
    return {
        name: value
        for name, value in surroundings.environment.items()
        if not name.startswith("SIGHTLINE_") or name in deployed
    }


def _logging(config: Mapping[str, str]) -> dict[str, str]:
    """What Lambda tells the runtime client of a function's logging."""
    if config.get("LogFormat") != "JSON":
        return {}
    level = config.get("ApplicationLogLevel", "INFO")  # Lambda's default with this format
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level}


def _invoke_settings(lambda_: Any, name: str) -> Mapping[str, Any]:
    try:
        settings: Mapping[str, Any] = lambda_.get_function_event_invoke_config(
            FunctionName=name, Qualifier="$LATEST"
        )
    except ClientError as err:
        if error_code(err) == "ResourceNotFoundException":
            return {}
        raise
    return settings


def role_credentials(
    account: Account, role_arn: str, session: str
) -> Callable[[], Mapping[str, str]]:
    """Make what fetches a role's temporary keys, as a function's environment has them."""

    def fetch() -> Mapping[str, str]:
        with translated(f"assuming the role {role_arn}"):
            keys = account.client("sts").assume_role(
                RoleArn=role_arn, RoleSessionName=session, DurationSeconds=_ROLE_SECONDS
            )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    return fetch


def _download(location: str, account: Account) -> bytes:
    """Fetch a function's code; *location* names the gateway by a name that need not resolve."""
    gateway = urlsplit(account.endpoint or location)
    wanted = urlsplit(location)
    connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=30)
    try:
        connection.request("GET", f"{wanted.path}?{wanted.query}")
        answer = connection.getresponse()
        data = answer.read()
    except OSError as err:
        raise TransportError(f"fetching a function's code from {gateway.netloc}: {err}") from err
    finally:
        connection.close()
    if answer.status != 200:
        raise TransportError(f"fetching a function's code: status {answer.status}")
    return data


def _unpack(code: bytes, name: str, surroundings: Surroundings) -> Path:
    """Unpack once for each digest; older code of the function goes."""
    home = surroundings.code_folder / name
    folder = home / hashlib.sha256(code).hexdigest()[:16]
    if not folder.is_dir():
        shutil.rmtree(home, ignore_errors=True)
        new = home / "new"
        new.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(new)  # drops "..", and the zip is our own
        new.rename(folder)
    return folder


def role_aliases(account: Account, stack: str) -> dict[str, RoleAlias]:
    """The template's role aliases, with the roles that were deployed for them."""
    body = template.load()
    who = account.account_id()
    aliases = {}
    for resource in body["Resources"].values():
        if resource["Type"] != "AWS::IoT::RoleAlias":
            continue
        properties = resource["Properties"]
        name = properties["RoleAlias"]["Fn::Sub"].replace("${AWS::StackName}", stack)
        role = properties["RoleArn"]["Fn::GetAtt"][0]
        with translated(f"reading the role of the role alias {name}"):
            found = account.client("cloudformation").describe_stack_resource(
                StackName=stack, LogicalResourceId=role
            )["StackResourceDetail"]["PhysicalResourceId"]
            role_arn = account.client("iam").get_role(RoleName=found)["Role"]["Arn"]
        aliases[name] = RoleAlias(
            arn=f"arn:aws:iot:{account.region}:{who}:rolealias/{name}", role_arn=role_arn
        )
    return aliases
