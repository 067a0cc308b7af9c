"""Everything on one machine: started in order, stopped in reverse, nothing left behind."""

import contextlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra import template
from infra.account import AccessKey, Account, translated
from infra.deploy import Deployment, Say, deploy
from infra.local import deployed, ports
from infra.local.authority import Authority
from infra.local.credentials_endpoint import CredentialsEndpoint, CredentialsProvider
from infra.local.facts import LocalFacts
from infra.local.lambda_service import LambdaService
from infra.local.ministack.server import (
    LEAST_FREE_BYTES,
    REGION,
    MiniStackServer,
    RootKey,
    ServerSettings,
)
from infra.local.state_folder import StateFolder
from infra.packaging import PROJECT
from sightline.errors import ConfigError, TransportError

# What MiniStack does not know, with the property that names each. A device finds its role alias
# here all the same: the credentials endpoint is ours.
LEFT_OUT = {
    "AWS::IoT::RoleAlias": "RoleAlias",
    "AWS::IoT::Logging": "AccountId",
    "AWS::Budgets::Budget": "BudgetName",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """How to run a stack on this machine; a port of 0 is any free one.

    Attributes:
        state: The folder that keeps people, certificates and pictures between runs.
        ministack_python: The interpreter of MiniStack's own virtual environment.
        engine_folder: Holds the recognition engine's network.
        workers: How many frames are worked on at once.
        function_python: Runs the functions; this interpreter, unless a test says otherwise.
    """

    state: Path
    ministack_python: Path
    engine_folder: Path
    gateway_port: int = 4566
    mqtt_port: int = 8883
    credentials_port: int = 4567
    lambda_port: int = 4568
    workers: int = 2
    stack: str = "sightline"
    parameters: Mapping[str, str] = field(default_factory=dict)
    code_root: Path = PROJECT
    function_python: Path = Path(sys.executable)


class LocalStack:
    """The whole stack on this machine, from `start` (or `with`) to `stop`."""

    def __init__(self, settings: LocalSettings, say: Say = log.info) -> None:
        self.settings = settings
        self._say = say
        self._open = contextlib.ExitStack()
        self._facts: LocalFacts | None = None
        self._lambda: LambdaService | None = None
        self._ministack: MiniStackServer | None = None
        self._account: Account | None = None
        self._full = False
        self._functions: tuple[str, ...] = ()
        self._start_errors: dict[str, str | None] = {}

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
    def facts(self) -> LocalFacts:
        """How to reach what runs.

        Raises:
            ConfigError: It does not run.
        """
        if self._facts is None:
            raise ConfigError("the local stack is not running: start it first")
        return self._facts

    @property
    def lambda_service(self) -> LambdaService:
        """The service that runs the functions, for its counts.

        Raises:
            ConfigError: It does not run.
        """
        if self._lambda is None:
            raise ConfigError("the local stack is not running: start it first")
        return self._lambda

    def check(self) -> None:
        """See that all of it still runs; for whoever keeps it up to call now and then.

        Raises:
            TransportError: A part of it has ended by itself, so that nothing works any more.
        """
        server = self._ministack
        if self._facts is not None and server is not None and server.pid is None:
            raise TransportError(
                f"MiniStack has ended by itself; see {server.log_path}, and start the stack again"
            )
        self._say_start_errors()
        full = shutil.disk_usage(self.settings.state).free < LEAST_FREE_BYTES
        if full != self._full:
            self._say("the disk is full: frames are refused" if full else "the disk has room again")
        self._full = full

    def _say_start_errors(self) -> None:
        """Say once of each function why it cannot start."""
        for name in self._functions:
            error = self.lambda_service.stats(name).start_error
            if error and error != self._start_errors.get(name):
                self._say(f"{name} cannot start: {error}")
            self._start_errors[name] = error

    def start(self) -> None:
        """Start everything and wait until it serves.

        Raises:
            ConfigError: The folder is in use or not writable, a port is taken, MiniStack is not
                installed, or the template cannot be deployed; nothing is left running.
        """
        try:
            self._start()
        except OSError as err:
            self.stop()
            raise ConfigError(
                f"state folder {self.settings.state}: {err.strerror or err}; free some space, or "
                "choose another with --state"
            ) from err
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in reverse order; safe to call twice.

        The functions finish while the broker still delivers; a frame that comes in meanwhile gets
        no answer, and its device sends it again to the next stack.
        """
        self._facts = None
        self._open.close()

    def _start(self) -> None:
        settings = self.settings
        folder = self._open.enter_context(StateFolder(settings.state))
        LocalFacts.remove(folder.path)  # of one that was killed
        claimed = self._claim_ports()
        root = folder.root_key()
        broker = self._start_ministack(folder, claimed, root)
        account = Account(
            region=REGION,
            key=AccessKey(key_id=root.key_id, secret=root.secret),
            endpoint=broker.url,
        )
        self._account = account
        outputs = deploy(account, self._deployment(), self._say)
        service = self._start_functions(folder, account, claimed["lambda"])
        endpoint, ca = self._start_credentials(folder, account, broker, claimed["credentials"])
        # Last: from here on devices come.
        broker.open_broker()
        self._facts = LocalFacts(
            stack=settings.stack,
            region=REGION,
            endpoint=broker.url,
            root_key_id=root.key_id,
            root_secret=root.secret,
            mqtt_host=ports.LOOPBACK,
            mqtt_port=claimed["mqtt"],
            credentials=endpoint.address,
            lambda_url=service.url,
            ca=str(ca),
            outputs=outputs,
            pids={"stack": os.getpid(), "ministack": broker.pid or 0},
        )
        self._facts.write(folder.path)
        self._open.callback(LocalFacts.remove, folder.path)
        self._say(f"devices connect to {ports.LOOPBACK}:{claimed['mqtt']}")

    def _start_ministack(
        self, folder: StateFolder, claimed: Mapping[str, int], root: RootKey
    ) -> MiniStackServer:
        server = MiniStackServer(
            ServerSettings(
                python=self.settings.ministack_python,
                folder=folder.path / "ministack",
                gateway_port=claimed["gateway"],
                mqtt_port=claimed["mqtt"],
                root=root,
                functions=self._function_urls(claimed["lambda"]),
            )
        )
        server.start()
        self._open.callback(server.stop)
        self._ministack = server
        self._say(f"MiniStack serves at {server.url}")
        return server

    def _claim_ports(self) -> dict[str, int]:
        settings = self.settings
        wanted = {
            "gateway": settings.gateway_port,
            "mqtt": settings.mqtt_port,
            "credentials": settings.credentials_port,
            "lambda": settings.lambda_port,
        }
        free = iter(ports.free_ports(len(wanted)))
        return {
            name: ports.claim(port, option=f"--{name}-port") if port else next(free)
            for name, port in wanted.items()
        }

    def _function_urls(self, port: int) -> dict[str, str]:
        """Where MiniStack forwards invocations: it is told before there is a function."""
        body, stack = template.load(), self.settings.stack
        asked = template.hooks(body, stack)
        return {
            name: f"http://{ports.LOOPBACK}:{port}"
            + (f"/2015-03-31/functions/{name}/invocations" if name in asked else f"/async/{name}")
            for name in template.function_names(body, stack)
        }

    def _deployment(self) -> Deployment:
        settings = self.settings
        return Deployment(
            stack=settings.stack,
            parameters=settings.parameters,
            left_out=LEFT_OUT,
            code_root=settings.code_root,
        )

    def _start_functions(self, folder: StateFolder, account: Account, port: int) -> LambdaService:
        settings = self.settings
        surroundings = deployed.Surroundings(
            code_folder=folder.path / "functions",
            python=settings.function_python,
            environment={
                "AWS_ENDPOINT_URL": account.endpoint or "",
                "AWS_REGION": account.region,
                "SIGHTLINE_MODELS": str(settings.engine_folder.absolute()),
                "SIGHTLINE_GALLERY_FOLDER": str(folder.path.absolute()),
            },
            workers=settings.workers,
        )
        functions = deployed.functions(account, settings.stack, surroundings)
        self._functions = tuple(function.name for function in functions)
        service = LambdaService(
            functions,
            port=port,
            log_folder=folder.path / "logs",
            on_failure=self._send_to_queue,
        )
        service.start()
        self._open.callback(service.stop)
        self._lambda = service
        self._say(f"functions run at {service.url}, {settings.workers} at once")
        return service

    def _send_to_queue(self, arn: str, record: Mapping[str, Any]) -> None:
        """Put what a function gave up into the queue of that ARN, as Lambda does."""
        if self._account is None:
            return
        with translated(f"sending to {arn}"):
            sqs = self._account.client("sqs")
            url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record))

    def _start_credentials(
        self, folder: StateFolder, account: Account, broker: MiniStackServer, port: int
    ) -> tuple[CredentialsEndpoint, Path]:
        authority = Authority(folder.path / "authority")
        broker_ca = broker.ca_pem()
        ca = folder.path / "ca.pem"
        ca.write_text(broker_ca.rstrip("\n") + "\n" + authority.pem)
        endpoint = CredentialsEndpoint(
            CredentialsProvider(account, deployed.role_aliases(account, self.settings.stack)),
            port=port,
            certificate=authority.write_server_certificate(
                folder.path / "authority" / "server.pem"
            ),
            client_ca=broker_ca,
        )
        self._open.enter_context(endpoint)
        return endpoint, ca
