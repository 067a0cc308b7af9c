"""The stack that a command works on: on AWS, or on this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import boto3
import botocore

from infra.account import AccessKey, Account, translated
from infra.deploy import outputs
from infra.local.facts import LocalFacts
from sightline.errors import ConfigError

AWS_MQTT_PORT = 8883
_BUNDLE = Path(botocore.__file__).with_name("cacert.pem")  # Mozilla's, which botocore carries


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a device finds what.

    Attributes:
        credentials: `host` or `host:port` of the IoT credentials provider.
        ca_pem: The authorities that broker and credentials provider are signed by.
        s3: Only where it is not AWS's own.
    """

    mqtt_host: str
    mqtt_port: int
    credentials: str
    ca_pem: str = field(repr=False)
    s3: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployed stack, and how to speak to it."""

    account: Account
    stack: str
    outputs: Mapping[str, str]
    facts: LocalFacts | None = None

    @classmethod
    def local(cls, state: Path) -> Self:
        """Take the stack that runs on the state folder.

        Raises:
            ConfigError: None does.
        """
        facts = LocalFacts.read(state)
        key = AccessKey(key_id=facts.root_key_id, secret=facts.root_secret)
        account = Account(region=facts.region, key=key, endpoint=facts.endpoint)
        return cls(account=account, stack=facts.stack, outputs=facts.outputs, facts=facts)

    @classmethod
    def aws(cls, stack: str, region: str | None = None, profile: str | None = None) -> Self:
        """Take a stack on AWS.

        Raises:
            ConfigError: There is none, or no right to see it.
            TransportError: AWS is out of reach.
        """
        account = Account(region=region, profile=profile)
        return cls(account=account, stack=stack, outputs=outputs(account, stack))

    @property
    def session(self) -> boto3.Session:
        """The boto3 session; for a client use `client`, which also knows where to point."""
        return self.account.session

    def client(self, name: str) -> Any:
        """Return a boto3 client."""
        return self.account.client(name)

    def output(self, name: str) -> str:
        """Return one output of the stack.

        Raises:
            ConfigError: It has none of that name: it was deployed from another version.
        """
        try:
            return self.outputs[name]
        except KeyError as err:
            raise ConfigError(f"stack {self.stack} has no output {name}; deploy it anew") from err

    def endpoints(self) -> Endpoints:
        """Find out where devices connect.

        Raises:
            ConfigError: AWS IoT refuses to tell.
            TransportError: AWS is out of reach.
        """
        if self.facts:
            return Endpoints(
                mqtt_host=self.facts.mqtt_host,
                mqtt_port=self.facts.mqtt_port,
                credentials=self.facts.credentials,
                ca_pem=Path(self.facts.ca).read_text(),
                s3=self.facts.endpoint,
            )
        iot = self.client("iot")
        with translated("asking for the account's IoT endpoints"):
            data = iot.describe_endpoint(endpointType="iot:Data-ATS")
            credentials = iot.describe_endpoint(endpointType="iot:CredentialProvider")
        return Endpoints(
            mqtt_host=data["endpointAddress"],
            mqtt_port=AWS_MQTT_PORT,
            credentials=credentials["endpointAddress"],
            ca_pem=amazon_roots(_BUNDLE.read_text(encoding="utf-8")),
        )


def amazon_roots(bundle: str) -> str:
    """Pick Amazon's root certificates out of a PEM bundle in Mozilla's commented form.

    Source: https://www.amazontrust.com/repository/ - Amazon Root CA 1 to 4.

    Raises:
        ConfigError: They are not in it.
    """
    found = re.findall(
        r"# Label: \"Amazon Root CA \d\".*?(-----BEGIN CERTIFICATE-----.*?"
        r"-----END CERTIFICATE-----\n)",
        bundle,
        re.DOTALL,
    )
    if not found:
        raise ConfigError("the certificate bundle has no Amazon Root CA; install botocore anew")
    return "".join(found)
