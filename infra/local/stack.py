"""Everything on one machine: started in order, stopped in reverse, nothing left behind."""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
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
from infra.local.forwarding import forwarding
from infra.local.http_api import HttpApi
from infra.local.lambda_service import Addresses, LambdaService
from infra.local.ministack.server import (
    ACCOUNT,
    LEAST_FREE_BYTES,
    REGION,
    MiniStackServer,
    RootKey,
    ServerSettings,
)
from infra.local.settings import LocalSettings
from infra.local.state_folder import StateFolder
from sightline.errors import ConfigError, TransportError

__all__ = ["LEFT_OUT", "LocalSettings", "LocalStack"]

# What MiniStack does not know, with the property that names each. A device finds its role alias
# here all the same: the credentials endpoint is ours.
LEFT_OUT = {
    "AWS::IoT::RoleAlias": "RoleAlias",
    "AWS::IoT::Logging": "AccountId",
    "AWS::Budgets::Budget": "BudgetName",
}

# What is otherwise than the template's default, unless the operator says so: a schedule costs
# nothing here, and somebody looks on.
PARAMETERS = {"SweepSchedule": "rate(1 minute)"}

log = logging.getLogger(__name__)


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
        claimed = settings.claim_ports()
        addresses = Addresses(port=claimed["lambda"])
        root = folder.root_key()
        broker = self._start_ministack(folder, claimed, root, forwarding(addresses, settings.stack))
        account = Account(
            region=REGION,
            key=AccessKey(key_id=root.key_id, secret=root.secret),
            endpoint=broker.url,
        )
        self._account = account
        outputs = deploy(account, self._deployment(), self._say)
        service = self._start_functions(folder, account, addresses)
        endpoint, ca = self._start_credentials(folder, account, broker, claimed["credentials"])
        # Last: from here on devices, uploads and requests come.
        broker.open_broker()
        self._open.callback(broker.hold_queues)
        http = self._start_http(service, claimed["http"])
        self._facts = LocalFacts(
            stack=settings.stack,
            region=REGION,
            endpoint=broker.url,
            root_key_id=root.key_id,
            root_secret=root.secret,
            mqtt_host=ports.LOOPBACK,
            mqtt_port=claimed["mqtt"],
            credentials=endpoint.address,
            lambda_url=addresses.url,
            http_url=http.url,
            ca=str(ca),
            outputs={**outputs, "HttpApi": http.url},  # MiniStack's own is nobody's to ask
            pids={"stack": os.getpid(), "ministack": broker.pid or 0},
        )
        self._facts.write(folder.path)
        self._open.callback(LocalFacts.remove, folder.path)
        self._say(f"devices connect to {ports.LOOPBACK}:{claimed['mqtt']}")

    def _start_ministack(
        self,
        folder: StateFolder,
        claimed: Mapping[str, int],
        root: RootKey,
        functions: Mapping[str, str],
    ) -> MiniStackServer:
        server = MiniStackServer(
            ServerSettings(
                python=self.settings.ministack_python,
                folder=folder.path / "ministack",
                gateway_port=claimed["gateway"],
                mqtt_port=claimed["mqtt"],
                root=root,
                functions=functions,
                workers=self.settings.workers,
            )
        )
        server.start()
        self._open.callback(server.stop)
        self._ministack = server
        self._say(f"MiniStack serves at {server.url}")
        return server

    def _deployment(self) -> Deployment:
        settings = self.settings
        return Deployment(
            stack=settings.stack,
            parameters={**PARAMETERS, **settings.parameters},
            left_out=LEFT_OUT,
            code_root=settings.code_root,
        )

    def _start_functions(
        self, folder: StateFolder, account: Account, addresses: Addresses
    ) -> LambdaService:
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
            # So that nobody's first frame waits for a network to be loaded. A video has time, and
            # who asks now and then waits once.
            warm=template.callers(template.load(), settings.stack).streamed,
        )
        functions = deployed.functions(account, settings.stack, surroundings)
        self._functions = tuple(function.name for function in functions)
        service = LambdaService(
            functions,
            port=addresses.port,
            secret=addresses.secret,
            log_folder=folder.path / "logs",
            on_failure=self._send_to_queue,
        )
        service.start()
        self._open.callback(service.stop)
        self._lambda = service
        self._say(f"functions run at {addresses.host_and_port}, {settings.workers} at once")
        return service

    def _start_http(self, service: LambdaService, port: int) -> HttpApi:
        settings = self.settings
        (function,) = template.callers(template.load(), settings.stack).requested
        http = HttpApi(
            service,
            function,
            account=ACCOUNT,
            port=port,
            without_keys=settings.http_without_keys,
        )
        self._open.callback(http.close)
        self._say(f"the HTTP API is at {http.url}/v1")
        return http

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
