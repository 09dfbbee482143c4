"""Read JSON and keep the line of each value, so that a finding can name it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.basics import strict_json

# The path to a value: keys of objects and indexes of arrays.
Path = tuple[str | int, ...]
# A compiled template has about twenty levels.
_MAX_DEPTH = 200
# Azure takes at most 800 resources in a template. They have fewer values than this.
_MAX_VALUES = 100_000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')


class MalformedError(Exception):
    """The text is not strict JSON, or has too many values or levels. `line` is the line of the error."""

    def __init__(self, line: int, message: str) -> None:
        """Keep the line, counted from 1, and the message."""
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A JSON file. `name` is its name in the package. `file` is its name for people."""

    name: str
    file: str
    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of a value.

        If the value does not exist, return the line of the nearest existing value around it.
        """
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


@dataclass(slots=True)
class _Open:
    """An object or array that is being read."""

    path: Path
    is_object: bool
    key: str | int
    seen: set[str] = field(default_factory=set)
    awaits_key: bool = True

    @property
    def inner(self) -> Path:
        """Return the path of the value that is being read in it."""
        return (*self.path, self.key)


def read(content: bytes, *, name: str, file: str) -> Document:
    """Return the document of a file's bytes. Raises MalformedError."""
    try:
        value = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise MalformedError(_line_of(error, content), str(error)) from error
    lines, _ = _scan(content.decode())
    return Document(name=name, file=file, value=value, lines=lines)


def _line_of(error: strict_json.NotStrictJsonError, content: bytes) -> int:
    """Return the line of an error. An error without a line counts as an error of the first line."""
    if isinstance(error.__cause__, json.JSONDecodeError):
        return error.__cause__.lineno
    if isinstance(error.__cause__, UnicodeDecodeError):
        return content.count(b"\n", 0, error.__cause__.start) + 1
    _, doubled = _scan(content.decode(errors="replace"))
    return doubled or 1


def _scan(text: str) -> tuple[dict[Path, int], int | None]:
    """Return the line of each value, and the line of the first repeated key of an object, None if there is none.

    A text that strict_json has refused may have a second fault. The scan ends there.
    """
    lines: dict[Path, int] = {}
    doubled: int | None = None
    opened: list[_Open] = []
    line, counted = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", counted, token.start())
        counted = token.start()
        word = token[0]
        here = opened[-1] if opened else None
        if word in "}]":
            if here is None:
                break
            opened.pop()
        elif word == ",":
            if here is not None:
                here.awaits_key = True
                here.key = here.key if isinstance(here.key, str) else here.key + 1
        elif here is not None and here.is_object and here.awaits_key:
            key = _key(word)
            if key is None:
                break
            here.key, here.awaits_key = key, False
            doubled = doubled or (line if key in here.seen else None)
            here.seen.add(key)
            lines[here.inner] = line
        else:
            path = () if here is None else here.inner
            lines.setdefault(path, line)
            if len(lines) > _MAX_VALUES:
                raise MalformedError(line, f"it has more than {_MAX_VALUES} values")
            if word in "{[":
                if len(opened) == _MAX_DEPTH:
                    raise MalformedError(line, f"it is nested more than {_MAX_DEPTH} levels deep")
                opened.append(_Open(path, word == "{", "" if word == "{" else 0))
    return lines, doubled


def _key(word: str) -> str | None:
    """Return the key of an object's member, None if the word is no JSON string."""
    try:
        key = json.loads(word)
    except ValueError:
        return None
    return key if isinstance(key, str) else None
