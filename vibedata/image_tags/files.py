"""Read Bicep files with tree-sitter's grammar: the given files, and the modules that they name.

The reader in vibedata/template knows the part of the language that the managed application's template uses. Here
anybody may have written the files, so a grammar of the whole language reads them.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tree_sitter import Language, Node, Parser
from tree_sitter_bicep import language

from oci.files.reading import FileRefusedError, read_file

MAX_FILE_BYTES = 4 * 1024 * 1024
SUFFIX = ".bicep"
# The grammar does not know the spread operator of objects and arrays: `...`. The replacement has the same length, so
# that lines and columns stay the same.
_BRACKET_OR_SPREAD = re.compile(rb"[{}\[\]()]|(?<=[\s\[{,])\.\.\.(?=[A-Za-z_(\[{])")
_OPENING, _CLOSING = (b"{", b"[", b"("), (b"}", b"]", b")")
_IN_OBJECT, _IN_ARRAY = b"_: ", b"   "
# The grammar does not know types that are taken from a resource's type, or from one of its members (learn
# azure-resource-manager/bicep/data-types, resource-derived types). A name of the same length replaces such a type.
_DERIVED = re.compile(rb"\bresource(?:Input|Output)?<'[^'\n]*'>(?:\.[A-Za-z_*][A-Za-z0-9_]*|\[[\w*]*\](?=[.\[]))*")


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that cannot be read. `line` is the place of the error, 0 for the whole file."""

    file: str
    line: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BicepFile:
    """A file. `shown` is its name in messages. `root` is the node of the whole text."""

    path: Path
    shown: str
    root: Node = field(repr=False)

    def module(self, name: str) -> Path | None:
        """Return the path of a local module, None for a module of a registry or a template spec."""
        return None if ":" in name else Path(os.path.normpath(self.path.parent / name))


def read_files(named: Sequence[Path]) -> tuple[tuple[BicepFile, ...], tuple[Unread, ...]]:
    """Return the given files, the files below given folders, all local modules, and what cannot be read."""
    waiting, unread = [], []
    for path in named:
        found = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        waiting += found
        if not found:
            unread.append(Unread(str(path), 0, "there is no Bicep file in this folder"))
    if not named:
        unread.append(Unread("-", 0, "no file is named"))
    files: dict[Path, BicepFile] = {}
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop(0)
        key = Path(os.path.realpath(path))
        if key in seen:
            continue
        seen.add(key)
        read = read_one(path)
        if isinstance(read, Unread):
            unread.append(read)
            continue
        files[key] = read
        waiting += [module for name in _modules(read.root) if (module := read.module(name)) is not None]
    return tuple(files.values()), tuple(unread)


def read_one(path: Path) -> BicepFile | Unread:
    """Return one file, or why it cannot be read."""
    try:
        content = read_file(path, max_bytes=MAX_FILE_BYTES)
        content.decode("utf-8")
    except FileRefusedError as error:
        return Unread(str(path), 0, str(error))
    except UnicodeDecodeError as error:
        return Unread(str(path), 1 + content.count(b"\n", 0, error.start), "it is not UTF-8")
    known = _DERIVED.sub(lambda found: b"_" * len(found.group()), _without_spreads(content))
    root = Parser(Language(language())).parse(known).root_node
    if root.has_error:
        return Unread(str(path), _first_error(root), "this is no Bicep that the parser knows")
    return BicepFile(path=path, shown=str(path), root=root)


def nodes(node: Node) -> Iterator[Node]:
    """Yield a node and every node below it, in the order of the text."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += reversed(found.children)


def line_of(node: Node) -> int:
    """Return the line of a node, from 1."""
    return int(node.start_point[0]) + 1


def text_of(node: Node) -> str:
    """Return the text of a node."""
    return (node.text or b"").decode("utf-8")


def plain(node: Node) -> str | None:
    """Return the text of a string without expressions, None for any other node."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    return "".join(text_of(child) for child in node.named_children)


def _modules(root: Node) -> Iterator[str]:
    for node in root.children:
        if node.type == "module_declaration":
            names: Iterable[str | None] = (plain(child) for child in node.named_children)
            yield from (name for name in names if name is not None)


def _first_error(root: Node) -> int:
    return next((line_of(node) for node in nodes(root) if node.is_error or node.is_missing), 1)


def _without_spreads(content: bytes) -> bytes:
    """Replace each spread by a text that the grammar knows: an element of an array, or a member `_` of an object.

    This assumes that brackets in strings come in pairs.
    """
    opened: list[bytes] = []

    def replaced(found: re.Match[bytes]) -> bytes:
        text = found.group()
        if text in _OPENING:
            opened.append(text)
        elif text in _CLOSING:
            opened[-1:] = []
        else:
            return _IN_ARRAY if opened[-1:] == [b"["] else _IN_OBJECT
        return text

    return _BRACKET_OR_SPREAD.sub(replaced, content)
