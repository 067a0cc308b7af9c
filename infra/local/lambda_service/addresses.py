"""Where functions are invoked: a port of this machine, and a secret that every path begins with."""

import secrets
from dataclasses import dataclass, field

from infra.local.lambda_service.listener import HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The URLs of one start of a service: to have one is to be allowed to invoke.

    The secret stands in for AWS's signatures, which are not checked. Every account of the machine
    reaches the port; the secret is in files and environments that only the service's own can read.

    Attributes:
        port: Where the service listens.
        secret: The first part of every path; a new one unless it is given.
    """

    port: int
    secret: str = field(default_factory=secrets.token_urlsafe, repr=False)

    @property
    def host_and_port(self) -> str:
        """What may be shown."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint to give to an AWS client for Lambda."""
        return f"http://{self.host_and_port}/{self.secret}"

    def of_invoke(self, name: str) -> str:
        """Where a POST of an event's JSON is answered with what the function *name* returns."""
        return f"{self.url}/2015-03-31/functions/{name}/invocations"

    def of_async(self, name: str) -> str:
        """Where a POST of an event's JSON queues it for the function *name*."""
        return f"{self.url}/async/{name}"

    def of_queue(self, name: str) -> str:
        """Where a queue's poller posts an event's JSON, and waits until *name* is done with it."""
        return f"{self.url}/queue/{name}"
