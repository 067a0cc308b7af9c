"""MiniStack, started once for the adapters' laws, with tables as the template has them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from boto3.session import Session

from cloud import aws
from cloud.people_table import PeopleTable, TableNames
from cloud.sightings_table import SightingsTable
from infra.local.ministack.server import REGION, MiniStackServer, RootKey, ServerSettings
from infra.local.ports import free_port

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStackServer]:
    """MiniStack without any stack, on ports of its own."""
    given = os.environ.get("SIGHTLINE_MINISTACK_PYTHON")
    python = Path(given) if given else PROJECT / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        if os.environ.get("SIGHTLINE_NO_SKIPS"):
            pytest.fail(f"there is no MiniStack at {python}")
        pytest.skip(f"there is no MiniStack at {python}; ./run test makes it")
    settings = ServerSettings(
        python=python,
        folder=tmp_path_factory.mktemp("ministack"),
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=RootKey(key_id="AKIATESTTESTTESTTEST", secret="secret-of-the-tests"),
    )
    with MiniStackServer(settings) as server:
        yield server


@pytest.fixture(scope="session")
def session() -> Session:
    """Sign in as MiniStack's owner."""
    return Session(
        aws_access_key_id="AKIATESTTESTTESTTEST",  # pragma: allowlist secret
        aws_secret_access_key="secret-of-the-tests",
        region_name=REGION,
    )


@pytest.fixture(scope="session")
def s3_client(ministack: MiniStackServer, session: Session) -> aws.Client:
    return aws.client(session, "s3", ministack.url)


@pytest.fixture(scope="session")
def dynamo_client(ministack: MiniStackServer, session: Session) -> aws.Client:
    return aws.client(session, "dynamodb", ministack.url)


@pytest.fixture
def table_names(dynamo_client: aws.Client) -> TableNames:
    """Fresh tables for the register."""
    return TableNames(
        people=_make_table(dynamo_client, "PeopleTable"),
        faces=_make_table(dynamo_client, "FacesTable"),
        meta=_make_table(dynamo_client, "MetaTable"),
    )


@pytest.fixture
def people_table(dynamo_client: aws.Client, table_names: TableNames) -> PeopleTable:
    return PeopleTable(dynamo_client, table_names, sleep=lambda _: None)


@pytest.fixture
def sightings_table(dynamo_client: aws.Client) -> SightingsTable:
    return SightingsTable(dynamo_client, _make_table(dynamo_client, "SightingsTable"))


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's YAML; its functions become None, for no key of a table has one."""


_Template.add_multi_constructor("!", lambda *_: None)


def _make_table(client: aws.Client, resource: str) -> str:
    """Make a table with the very keys and indexes of the template's."""
    text = (PROJECT / "infra" / "template.yaml").read_text()
    loaded = yaml.load(text, _Template)  # noqa: S506 - a SafeLoader
    properties: dict[str, Any] = loaded["Resources"][resource]["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    name = f"{resource}-{uuid4()}"
    client.create_table(TableName=name, **{k: properties[k] for k in wanted if k in properties})
    return name
