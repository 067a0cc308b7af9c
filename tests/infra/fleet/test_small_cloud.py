"""The store and the credentials that stand in for AWS's, as the agent's own adapters see them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.network.s3_frame_store import S3FrameStore
from device.settings import StorageSettings
from infra.fleet.small_store import ALIAS, BUCKET, SmallProvider, SmallStore
from infra.local.authority import Authority
from infra.local.credentials_endpoint import RefusedError
from sightline.errors import ConfigError, MissingError, TransportError

KEY = "frames/door/2026/11/21/a.jpg"


@pytest.fixture
def small() -> Iterator[SmallStore]:
    with SmallStore() as store:
        yield store


def store_of(small: SmallStore, bucket: str = BUCKET) -> S3FrameStore:
    settings = StorageSettings(
        region="us-east-1",
        bucket=bucket,
        credentials_endpoint="127.0.0.1:1",
        role_alias=ALIAS,
        s3_endpoint="http://{}:{}".format(*small.address),
    )
    keys = {"access_key": "a", "secret_key": "b", "token": "c"}
    return S3FrameStore(settings, lambda: keys | {"expiry_time": "2099-01-01T00:00:00Z"})


def test_what_is_put_is_there_and_a_repeat_changes_nothing(small: SmallStore) -> None:
    store = store_of(small)
    for data in (b"first", b"second"):
        store.put(KEY, data, hashlib.sha256(data).hexdigest())
    assert small.get(KEY) == b"first"
    assert small.again == 1


def test_a_wrong_checksum_and_a_wrong_bucket_are_refused(small: SmallStore) -> None:
    with pytest.raises(TransportError, match="BadDigest"):
        store_of(small).put(KEY, b"data", hashlib.sha256(b"other").hexdigest())
    with pytest.raises(ConfigError, match="no such bucket"):
        store_of(small, "another").put(KEY, b"data", hashlib.sha256(b"data").hexdigest())
    with pytest.raises(MissingError):
        small.get(KEY)


def test_what_a_device_stored_is_forgotten_with_it(small: SmallStore) -> None:
    store_of(small).put(KEY, b"data", hashlib.sha256(b"data").hexdigest())
    small.forget("yard")
    assert small.get(KEY)
    small.forget("door")
    with pytest.raises(MissingError):
        small.get(KEY)


def test_credentials_are_for_the_thing_that_the_certificate_names(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    path = tmp_path / "door.pem"
    Authority(tmp_path / "authority").write_client_certificate("door", path, tmp_path / "door.key")
    shown = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    provider = SmallProvider()

    assert provider.has(ALIAS)
    assert provider.credentials(ALIAS, "door", shown)["expiration"].endswith("Z")
    with pytest.raises(RefusedError, match="yard"):
        provider.credentials(ALIAS, "yard", shown)
    assert (tmp_path / "door.key").stat().st_mode & 0o777 == 0o600
