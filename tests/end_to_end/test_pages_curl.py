"""Each `curl` of the pages does what its page says, typed as it stands there."""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalStack
from infra.target import Target
from sightline.messages import FrameRecognized, decode
from tests.end_to_end.actors import DATA, eventually, run_command
from tests.end_to_end.films import grace_film

__all__ = ["grace_film"]

PROJECT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/http.md", "docs/parents.md")
README_ADDRESS = "http://127.0.0.1:4569"  # of a stack on its usual port


def text_of(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def curls(text: str) -> list[str]:
    """Give the commands of a page that begin with curl: lines of its fences, and code in tables."""
    in_fences = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^curl (?:.*\\\n)*.*$", in_fences, re.MULTILINE)
    return [*lines, *re.findall(r"`(curl [^`\n]+)`", text)]


@dataclass(kw_only=True)
class Reader:
    """Somebody who types what a page says, in a folder with the files that it names."""

    page: str
    key: str
    stack: LocalStack
    target: Target
    folder: Path
    said: dict[str, Any] = field(default_factory=dict)  # the last answer that was JSON

    def type(self, command: str) -> str:
        """Type *command*; only what stands for an earlier answer, or for a port, is filled in."""
        url = self.stack.facts.http_url
        command = command.replace(README_ADDRESS, url).replace('"$URL<job>"', '"$URL$JOB"')
        command = command.replace('"<upload.url>"', '"$UPLOAD"')
        assert "<" not in command, f"{self.page} leaves something open: {command}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={
                **os.environ,
                "KEY": self.key,
                "URL": url,
                "JOB": self.said.get("job", ""),
                "UPLOAD": self.said.get("upload", {}).get("url", ""),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def check(self, command: str, answer: str) -> None:
        """Hold an answer against what its command is there for."""
        if "/v1/frames" in command:
            result = decode(FrameRecognized, answer.encode())
            assert [face.person and face.person.name for face in result.faces] == ["Grace Hopper"]
        elif "/v1/videos" in command:
            self.said = json.loads(answer)
            assert {"upload", "job"} <= self.said.keys(), answer
        elif "<upload.url>" in command:
            self.check_upload(command, answer)
        elif "<job>" in command:
            said = json.loads(answer)
            assert (said["name"], said["state"]) == (self.said["name"], "done"), answer
        else:
            raise AssertionError(f"nothing here knows what {self.page} wants with: {command}")

    def check_upload(self, command: str, answer: str) -> None:
        assert answer == ""
        # The signature has the headers that the API said: the page may not leave one out.
        for name, value in self.said["upload"]["headers"].items():
            assert f"{name}: {value}" in command
        s3, key = self.target.client("s3"), self.said["key"]
        stored = s3.get_object(Bucket=self.target.output("InputBucket"), Key=key)
        assert stored["Body"].read() == (self.folder / "lecture.mp4").read_bytes()
        assert stored["Metadata"] == {"sightline-sampling": "every:1"}
        outputs, names = self.target.output("OutputBucket"), f"{self.said['name']}.txt"
        there = {"Bucket": outputs, "Prefix": names}
        eventually(names, lambda: s3.list_objects_v2(**there).get("Contents"), deadline_s=120)


@pytest.fixture
def reader(
    stack: LocalStack, target: Target, grace: str, grace_film: Path, tmp_path: Path
) -> Iterator[Callable[[str], Reader]]:
    """Sit down before a page, with a key as it has one made: `reader(page)`."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    state, portrait = stack.settings.state, (DATA / "grace-hopper.jpg").read_bytes()
    (tmp_path / "me.jpg").write_bytes(portrait)
    said = {"imgStr": base64.b64encode(portrait).decode(), "imgName": "me.jpg"}
    (tmp_path / "picture.json").write_text(json.dumps(said))
    (tmp_path / "lecture.mp4").write_bytes(grace_film.read_bytes())
    keys: list[str] = []

    def sit_down(page: str) -> Reader:
        made = re.search(r"\./run (keys add [\w-]+(?: --scope [a-z]+)+)", text_of(page))
        assert made, f"{page} does not say how to make a key"
        done = run_command(state, *shlex.split(made[1]))
        assert done.status == 0, done.err
        keys.append(done.out.strip())
        return Reader(page=page, key=keys[-1], stack=stack, target=target, folder=tmp_path)

    yield sit_down
    for key in keys:
        run_command(state, "keys", "revoke", key.split("_")[1])


@pytest.mark.parametrize("page", PAGES)
def test_no_curl_of_a_page_is_left_out(page: str) -> None:
    text = text_of(page)

    assert len(curls(text)) == len(re.findall(r"\bcurl -", text)) > 0


def test_no_other_page_has_a_curl() -> None:
    pages = ("README.md", *(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md")))

    assert {page for page in pages if re.search(r"\bcurl -", text_of(page))} == {*PAGES}


@pytest.mark.stack
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_one_type_is_answered(page: str, reader: Callable[[str], Reader]) -> None:
    somebody = reader(page)

    for command in curls(text_of(page)):
        somebody.check(command, somebody.type(command))
