"""A Dockerfile as its stages and their instructions."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == word]

    def words(self, word: str) -> list[str]:
        """The last instruction of that name: a JSON list, or plain words."""
        rest = self.all(word)[-1]
        return json.loads(rest) if rest.startswith("[") else rest.split()

    @property
    def environment(self) -> dict[str, str]:
        pairs = [word.partition("=") for rest in self.all("ENV") for word in shlex.split(rest)]
        return {name: value for name, _, value in pairs}

    @property
    def copies(self) -> list[tuple[str | None, list[str], str]]:
        """Each COPY: the stage it takes from, or None for the context; what; where to."""
        found = []
        for rest in self.all("COPY"):
            words = rest.split()
            source = words.pop(0).removeprefix("--from=") if words[0].startswith("--") else None
            found.append((source, words[:-1], words[-1]))
        return found


@dataclass
class Dockerfile:
    arguments: dict[str, str]
    stages: list[Stage]

    @classmethod
    def read(cls, path: Path) -> "Dockerfile":
        text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
        text = re.sub(r"\s*\\\n\s*", " ", text)
        read = cls({}, [])
        for line in filter(None, map(str.strip, text.splitlines())):
            word, _, rest = line.partition(" ")
            if word == "FROM":
                base, _, name = rest.partition(" AS ")
                read.stages.append(Stage(name.strip(), base.split()[-1]))
            elif not read.stages:
                name, _, value = rest.partition("=")
                read.arguments[name] = value
            else:
                read.stages[-1].instructions.append((word, rest.strip()))
        return read

    def stage(self, name: str) -> Stage:
        (found,) = [stage for stage in self.stages if stage.name == name]
        return found
