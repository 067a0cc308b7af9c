"""The video chain's adapters on MiniStack."""

from uuid import uuid4

import pytest

from cloud import aws
from cloud.videos.ledger_table import LedgerTable
from tests.cloud.conftest import _make_table


@pytest.fixture
def ledger_table(dynamo_client: aws.Client) -> LedgerTable:
    """A fresh table, with the keys and the index of the template's."""
    return LedgerTable(dynamo_client, _make_table(dynamo_client, "VideosTable"))


@pytest.fixture
def bucket(s3_client: aws.Client) -> str:
    """A fresh bucket."""
    name = f"videos-{uuid4()}"
    s3_client.create_bucket(Bucket=name)
    return name
