"""Find the literal tags and digests of images in Bicep files. Pure, except for reading the files.

A finding names the line where the literal is written, even if that line is far from the image. The literal may be in a
string, an interpolated string, the default of a parameter, a variable, or a value that a caller passes to a module.

- The value of a member, variable or parameter with a name like `image` is a reference, with or without a registry's
  host. The value of `linuxFxVersion` or `windowsFxVersion` is a reference only if it begins with `DOCKER|`.
- The value of a member, variable or parameter with a name like `tag`, `imageTag` or `imageDigest` is a tag if it has a
  digit or is a usual name of a tag that moves, such as `latest`.
- Any other text is a reference if it has a slash and ends with a digest, with a tag that looks like a version, or with
  a usual name of a tag that moves.

The search leaves out types with their api-versions, names of modules, decorators, metadata, and the values of `tags`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tree_sitter import Node

from vibedata.image_tags.files import BicepFile, Unread, plain, read_files, text_of
from vibedata.image_tags.kinds import Members, Piece, Text, TooComplexError, Values, Work
from vibedata.image_tags.values import Scope, alternatives, name_of, rounds, scope_of, value_of

# How deep the search follows modules in modules. Bicep refuses modules that name each other in a circle.
MAX_DEPTH = 20
_IMAGE = re.compile(r"(.*[a-z._-])?[iI]mage([nN]ame|[uU]ri|[rR]ef|[rR]eference)?")
_TAG = re.compile(r"(.*[._-])?(tag|digest)|([iI]mage|.*Image|[cC]ontainer)(Tag|Digest)")
_HOSTED = ("linuxFxVersion", "windowsFxVersion")
_DOCKER = "DOCKER|"
_UNTAGGED = "tags"
# This character stands for an unknown part of a text.
_ANY = "\x00"
_PART = r"[a-z0-9\x00]+(?:[._-]+[a-z0-9\x00]+)*"
# Usual names of tags that move.
_MOVING = "latest|stable|main|edge|nightly"
_VERSION = re.compile(rf"[0-9]|^(?:{_MOVING})$")
_REFERENCE = re.compile(
    rf"(?:[\w.\x00-]+(?::\d+)?/)?{_PART}(?:/{_PART})*"
    rf"(?::(?:v?\d+[.-][\w.-]*|v\d+|{_MOVING})|@sha256:[0-9a-f]{{64}})",
    re.ASCII,
)
_DIGIT = re.compile(r"[0-9]")
_WORD = re.compile(r"[0-9A-Za-z_]")
_SKIPPED = frozenset({"decorators", "decorator", "type", "type_declaration", "metadata_declaration", "comment"})
_SHOWN = 60


@dataclass(frozen=True, slots=True, order=True)
class LiteralTag:
    """A literal tag or digest: its file, its line, and its text. Unknown parts of the text are `${...}`."""

    file: str
    line: int
    tag: str

    def __str__(self) -> str:
        """Return the sentence that a person reads."""
        return f"an image's tag or digest is a literal: {self.tag}"


def literal_tags(named: Sequence[Path]) -> tuple[tuple[LiteralTag, ...], tuple[Unread, ...], int]:
    """Return the literals, the files that could not be read, and the number of files that were read."""
    files, unread = read_files(named)
    by_path = {file.path.resolve(): file for file in files}
    found: set[LiteralTag] = set()
    looked = _Looked(by_path, Work())
    for file in files:
        try:
            for each in looked.at(file, {}, 0):
                found.add(each)
        except RecursionError:
            unread = (*unread, Unread(file.shown, 0, "its expressions are nested too deeply"))
        except TooComplexError:
            unread = (*unread, Unread(file.shown, 0, "its expressions are too complex"))
    return tuple(sorted(found)), unread, len(files)


class _Looked:
    def __init__(self, files: Mapping[Path, BicepFile], work: Work) -> None:
        self._files = files
        self._work = work

    def at(self, file: BicepFile, given: Mapping[str, Values], depth: int) -> Iterator[LiteralTag]:
        """Yield the literals of a file and of its modules, with the parameters that a caller gives."""
        scope = scope_of(file, given, self._work)
        for node in file.root.children:
            self._work.spend(1)
            value = value_of(node)
            if value is None or node.type in _SKIPPED:
                continue
            if node.type in ("parameter_declaration", "variable_declaration"):
                if name_of(node) == _UNTAGGED:
                    continue
                yield from _named(name_of(node), value, scope)
            yield from self._inside(value, scope)
            if node.type == "module_declaration" and depth < MAX_DEPTH:
                yield from self._module(node, value, scope, depth)

    def _inside(self, node: Node, scope: Scope) -> Iterator[LiteralTag]:
        """Yield the literals in an expression, at any depth."""
        if node.type in _SKIPPED:
            return
        if node.type == "string":
            yield from _anywhere(alternatives(node, scope))
        inner = rounds(node, scope) if node.type == "for_statement" else scope
        for child in node.named_children:
            if child.type == "object_property" and len(child.named_children) >= 2:
                key, value = child.named_children[0], child.named_children[-1]
                name = (plain(key) if key.type == "string" else text_of(key)) or ""
                if name == _UNTAGGED:
                    continue
                yield from _named(name, value, inner)
                yield from self._inside(value, inner)
            elif child.type == "resource_declaration":
                value_of_child = value_of(child)
                if value_of_child is not None:
                    yield from self._inside(value_of_child, inner)
            else:
                yield from self._inside(child, inner)

    def _module(self, node: Node, value: Node, scope: Scope, depth: int) -> Iterator[LiteralTag]:
        names = [name for child in node.named_children if (name := plain(child)) is not None]
        path = scope.file.module(names[0]) if names else None
        file = self._files.get(path.resolve()) if path is not None else None
        if file is None:
            return
        inner, body = scope, value
        if value.type == "for_statement":
            inner, body = rounds(value, scope), value.named_children[-1]
        given: dict[str, Values] = {}
        for each in alternatives(body, inner):
            for params in each.of.get("params", ()) if isinstance(each, Members) else ():
                if isinstance(params, Members):
                    given |= {name: values for name, values in params.of.items() if name is not None}
        if given:
            yield from self.at(file, given, depth + 1)


def _named(name: str, value: Node, scope: Scope) -> Iterator[LiteralTag]:
    """Yield the literal tags in the value of a member, variable or parameter with this name."""
    is_hosted = name in _HOSTED
    if is_hosted or _IMAGE.fullmatch(name):
        for text in _texts(alternatives(value, scope)):
            pieces = _without_docker(text.pieces) if is_hosted else text.pieces
            yield from _found(_tag_of(pieces))
    elif _TAG.fullmatch(name):
        for text in _texts(alternatives(value, scope)):
            if any(piece.text is not None and _VERSION.search(piece.text) for piece in text.pieces):
                yield from _found(_own(text.pieces))


def _anywhere(values: Values) -> Iterator[LiteralTag]:
    for text in _texts(values):
        written = "".join(_ANY if piece.text is None else piece.text for piece in text.pieces)
        if "/" in written and _REFERENCE.fullmatch(written):
            yield from _found(_tag_of(text.pieces))


def _texts(values: Values) -> Iterable[Text]:
    return (value for value in values if isinstance(value, Text))


def _without_docker(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Return the reference in a setting of a site. Return nothing if the setting does not begin with `DOCKER|`."""
    first = pieces[0].text if pieces else None
    if first is None or not first.upper().startswith(_DOCKER):
        return ()
    return (Piece(first[len(_DOCKER) :], pieces[0].file, pieces[0].line), *pieces[1:])


def _tag_of(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of a reference's tag or digest: the text after the first colon or at sign of its last part.

    The last part begins after the last slash.
    """
    found: list[Piece] = []
    inside = False
    for piece in pieces:
        if piece.text is None:
            found += [piece] * inside
            continue
        for part in re.split(r"(?=[/:@])", piece.text):
            if part.startswith("/"):
                found, inside = [], False
            elif part.startswith(("@", ":")) and not inside:
                found, inside = [Piece(part[1:], piece.file, piece.line)], True
            elif inside:
                found.append(Piece(part, piece.file, piece.line))
    return _own(found)


def _own(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of a tag.

    Return none if the tag does not begin with a literal word and its literal parts have no digit. Then these parts only
    surround a value from outside.
    """
    texts = [piece for piece in pieces if piece.text != ""]
    begins = bool(texts) and texts[0].text is not None and _WORD.search(texts[0].text) is not None
    digits = any(piece.text is not None and _DIGIT.search(piece.text) for piece in texts)
    return texts if begins or digits else []


def _found(tag: Sequence[Piece]) -> Iterator[LiteralTag]:
    written = next((piece for piece in tag if piece.text is not None and _WORD.search(piece.text)), None)
    if written is None:
        return
    shown = "".join("${...}" if piece.text is None else piece.text for piece in tag)[:_SHOWN]
    yield LiteralTag(written.file, written.line, shown)
