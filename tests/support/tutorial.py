"""Read docs/tutorial.md: its blocks of commands. Each block has a mark that says whether the lab runs it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

# `run`: the lab carries the block out. `parsed`: the block needs more of Azure than the lab has, so the Azure CLI only
# reads it.
MARKS = ("run", "parsed")
PROGRAMS = ("az", "vibedata")
_FENCE = re.compile(r"^```(\S+) ?(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
_INDENTED = re.compile(r"^(?: {4}|\t)\s*\S", re.MULTILINE)
_EXPORT = re.compile(r"export ([A-Z_]+)=(\S+|\".*\")")
_INTO_A_FILE = re.compile(r" > (\S+)$")


class UnmarkedError(Exception):
    """The page has a block or a line that no test runs or reads. The message says which."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a line. `into` is the file for its output, "" for none."""

    mark: str
    text: str
    into: str = ""

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the command with the values of its variables. Raises KeyError if the page does not set one."""
        return Template(self.text).substitute(values)


@dataclass(frozen=True, slots=True)
class Export:
    """A variable that the reader sets, and the page's example of a value."""

    name: str
    value: str


def steps(page: str) -> Iterator[Command | Export]:
    """Yield what the page's blocks of commands say, in their order. Raises UnmarkedError."""
    for language, mark, text in _blocks(page):
        if language == "sh":
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                yield from _line(line, mark)


def files(page: str) -> Mapping[str, Any]:
    """Return the JSON files that the reader writes, by their names."""
    return {name: json.loads(text) for language, name, text in _blocks(page) if language == "json"}


def _blocks(page: str) -> Iterator[tuple[str, str, str]]:
    blocks = _FENCE.findall(page)
    if len(re.findall(r"^```", page, re.MULTILINE)) != 2 * len(blocks) or _INDENTED.search(_FENCE.sub("", page)):
        raise UnmarkedError("a block has neither language nor mark")
    for language, mark, text in blocks:
        if not ((language == "sh" and mark in MARKS) or (language == "json" and mark)):
            raise UnmarkedError(f"a block of {language} has the mark {mark!r}")
        yield language, mark, text


def _line(line: str, mark: str) -> Iterator[Command | Export]:
    exported = _EXPORT.fullmatch(line)
    if exported:
        yield Export(exported[1], exported[2].strip('"'))
        return
    into = _INTO_A_FILE.search(line)
    for part in _INTO_A_FILE.sub("", line).split(" | "):
        program = part.partition(" ")[0]
        # The lab serves each command of the suite.
        if program not in PROGRAMS or (program, mark) == ("vibedata", "parsed"):
            raise UnmarkedError(f"no test runs or reads this: {part}")
        yield Command(mark, part, into[1] if into else "")
