"""What a fleet stands on without MiniStack: mosquitto, the small cloud, the small store."""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.fleet.line import Address
from infra.fleet.mosquitto import Mosquitto
from infra.fleet.small_cloud import Answer, SmallCloud
from infra.fleet.small_store import ALIAS, BUCKET, SmallProvider, SmallStore
from infra.local.authority import Authority
from infra.local.credentials_endpoint import CredentialsEndpoint
from infra.local.ports import LOOPBACK
from infra.provisioning import device_folder


class SmallGround:
    """See `infra.fleet.fleet.Ground`. Open from `__enter__` to `__exit__`."""

    def __init__(
        self,
        folder: Path,
        heard: Callable[[Answer], None] = lambda _: None,
        *,
        credentials_s: float = 3600.0,
    ) -> None:
        """Prepare.

        Args:
            heard: Told of each answer that is sent.
            credentials_s: For how long credentials for the store hold.
        """
        self.provider = SmallProvider(lifetime_s=credentials_s)
        self._folder = folder
        self._heard = heard
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    def _start(self) -> None:
        self._authority = Authority(self._folder / "authority")
        self.broker = self._open.enter_context(Mosquitto(self._authority))
        self.store = self._open.enter_context(SmallStore(self.provider.holds))
        certificate = self._folder / "authority" / "credentials.pem"
        self._credentials = self._open.enter_context(
            CredentialsEndpoint(
                self.provider,
                port=0,
                certificate=self._authority.write_server_certificate(certificate),
                client_ca=self._authority.pem,
            )
        )
        self.cloud = self._open.enter_context(
            SmallCloud(
                self._authority,
                (LOOPBACK, self.broker.port),
                self.store,
                self._folder / "authority",
                heard=self._heard,
            )
        )

    @property
    def upstreams(self) -> Mapping[str, Address]:
        """See `Ground`."""
        return {
            "mqtt": (LOOPBACK, self.broker.port),
            "credentials": (LOOPBACK, int(self._credentials.address.partition(":")[2])),
            "s3": self.store.address,
        }

    def provision(self, thing: str) -> Path:
        """See `Ground`."""
        folder = self._folder / thing
        folder.mkdir()
        self._authority.write_client_certificate(
            thing, folder / device_folder.CERTIFICATE, folder / device_folder.KEY
        )
        (folder / device_folder.CA).write_text(self._authority.pem)
        values = {
            "thing": thing,
            "region": "us-east-1",
            "bucket": BUCKET,
            "role_alias": ALIAS,
            "frames_rule": "",
            "camera": "usb:0",
            "iot_endpoint": LOOPBACK,
            "iot_port": str(self.broker.port),
            "credentials_endpoint": self._credentials.address,
            "s3_endpoint": "http://{}:{}".format(*self.store.address),
        }
        settings = folder / device_folder.SETTINGS
        settings.write_bytes(device_folder.fill(device_folder.SETTINGS, values))
        return settings

    def deprovision(self, thing: str) -> None:
        """See `Ground`."""
        self.store.forget(thing)
        shutil.rmtree(self._folder / thing)
