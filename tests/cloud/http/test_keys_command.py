"""`./run keys …`, as an operator types it."""

import json
import os
from pathlib import Path

import pytest
import typer

from cloud import aws
from cloud.http.keys import parse
from cloud.http.keys_table import KeysTable
from infra.cli import keys
from infra.cli.context import Choice
from infra.local.facts import LocalFacts
from infra.local.ministack.server import REGION, MiniStackServer, RootKey
from sightline.errors import ConfigError
from tests.cloud.conftest import _make_table

ROOT = RootKey(key_id="AKIATESTTESTTESTTEST", secret="secret-of-the-tests")


@pytest.fixture
def table(dynamo_client: aws.Client) -> KeysTable:
    return KeysTable(dynamo_client, _make_table(dynamo_client, "KeysTable"))


class Operator:
    """Types commands at a stack that has keys alone."""

    def __init__(self, state: Path) -> None:
        self._choice = Choice(state=state, stack=None, region=None, profile=None)

    def types(self, *words: str) -> None:
        command = typer.main.get_command(keys.app)
        command.main(list(words), obj=self._choice, standalone_mode=False)


@pytest.fixture
def operator(ministack: MiniStackServer, table: KeysTable, tmp_path: Path) -> Operator:
    facts = LocalFacts(
        stack="tests",
        region=REGION,
        endpoint=ministack.url,
        root_key_id=ROOT.key_id,
        root_secret=ROOT.secret,
        mqtt_host="",
        mqtt_port=0,
        credentials="",
        lambda_url="",
        http_url="",
        ca="",
        outputs={"KeysTable": table.name},
        pids={"stack": os.getpid()},
    )
    facts.write(tmp_path)
    return Operator(tmp_path)


def test_a_key_is_shown_once_and_by_itself_for_a_pipe(
    operator: Operator, table: KeysTable, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.types("add", "kiosk [1]", "--scope", "read", "--scope", "recognise")

    shown = capsys.readouterr()
    text = shown.out.strip()
    presented = parse(text)
    assert presented is not None
    kept = table.find(presented.id)
    assert kept is not None
    assert (kept.name, kept.scopes) == ("kiosk [1]", frozenset({"read", "recognise"}))
    assert kept.digest == presented.digest
    assert text not in shown.err
    operator.types("list")
    listed = capsys.readouterr().out
    assert "kiosk [1]" in listed
    assert text.split("_", 2)[2] not in listed


def test_a_key_for_some_time_says_until_when(
    operator: Operator, table: KeysTable, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.types("add", "class", "--scope", "enrol", "--lasts", "12h", "--json")

    made = json.loads(capsys.readouterr().out)
    kept = table.find(made["id"])
    assert kept is not None
    assert kept.valid_until is not None
    assert (kept.valid_until - kept.created_at).total_seconds() == 12 * 3600
    assert made["key"].startswith(f"sl_{made['id']}_")
    operator.types("list")
    assert "valid until" in capsys.readouterr().out


@pytest.mark.parametrize("whole", [True, False])
def test_a_key_is_revoked_by_its_id_or_by_itself(
    operator: Operator,
    table: KeysTable,
    capsys: pytest.CaptureFixture[str],
    whole: bool,
) -> None:
    operator.types("add", "lost", "--scope", "read")
    text = capsys.readouterr().out.strip()
    key_id = text.split("_")[1]

    operator.types("revoke", text if whole else key_id)

    said = capsys.readouterr().err
    assert f"{key_id} (lost) opens nothing any more" in said
    assert text not in said
    kept = table.find(key_id)
    assert kept is not None
    assert kept.revoked_at is not None
    operator.types("list", "--json")
    [row] = json.loads(capsys.readouterr().out)
    assert row["revoked_at"]
    operator.types("list")
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "x"], "--scope read"),
        (["add", "x", "--scope", "write"], "no scope 'write'"),
        (["add", "x", "--scope", "read", "--lasts", "long"], "12h or 90d"),
        (["add", " ", "--scope", "read"], "printable"),
        (["revoke", "nothing"], "keys list"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_mend(
    operator: Operator, words: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        operator.types(*words)


def test_without_keys_it_says_how_to_make_one(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.types("list")

    assert "keys add NAME" in capsys.readouterr().out
