import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from infra.cli import app
from sightline.messages import FrameCaptured, FrameRecognized, RejectedReason, decode
from sightline.topics import Channel

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PARENTS = (PROJECT / "docs" / "parents.md").read_text(encoding="utf-8")
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PROJECT.glob("docs/*.md")))
OUTSIDE = {"test"}  # what `run` does itself


def fences(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def in_tables(text: str) -> list[str]:
    """All `./run …` between backticks in rows of tables."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [command for row in rows for command in re.findall(r"`(\./run [^`]+)`", row)]


def commands() -> Iterator[list[str]]:
    lines = "\n".join(fences("sh", README + PAGES)).replace("\\\n", " ")
    for line in (*lines.splitlines(), *in_tables(PARENTS)):
        words = shlex.split(line, comments=True)
        if words[:1] == ["./run"]:
            yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_each_command_of_the_pages_is_one(words: list[str]) -> None:
    if words[0] in OUTSIDE:
        return
    command = typer.main.get_command(app)
    context = command.make_context("run", list(words))
    while hasattr(command, "commands") and not (command.invoke_without_command and len(words) == 1):
        left = [*context._protected_args, *context.args]
        name, command, left = command.resolve_command(context, left)
        assert name is not None
        context = command.make_context(name, left, parent=context)
    assert not context.args or context.allow_extra_args


def test_the_commands_in_the_tables_for_its_parents_are_looked_at_too() -> None:
    assert ["video", "test_00.mp4", "--sampling", "first"] in commands()
    assert ["load", "frames", "--devices", "20", "--fps", "2"] in commands()


def test_the_payloads_in_the_readme_are_messages() -> None:
    reference, answer = (block.encode() for block in fences("json"))
    assert decode(FrameCaptured, reference).key.startswith("frames/front-door/")
    result = decode(FrameRecognized, answer)
    assert json.loads(answer)["faces"][0]["person"]["name"] == result.faces[0].person.name  # type: ignore[union-attr]
    for words in commands():
        if words[0] == "publish" and words[1].endswith("/frames"):
            decode(FrameCaptured, words[2].encode())


def test_the_table_of_channels_and_the_reasons_are_the_contracts() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]+ → ", README, re.MULTILINE)
    assert set(rows) == set(Channel.__args__)  # type: ignore[attr-defined]
    said = README[README.index("with a reason:") :].split("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", said)) == set(RejectedReason.__args__)  # type: ignore[attr-defined]
