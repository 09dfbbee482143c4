"""Every pattern of the product is tried with hostile texts. Its time may grow only in proportion to the text.

The patterns are found in the sources. The texts are made from the patterns: for each part that may repeat, the text
before it, the part many times, and an end that does not match.
"""

import ast
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runbook_lib.callbacks.payloads import Text
from runbook_lib.request_signing.fields import MAX_FIELD_CHARACTERS, NotSignatureFieldError, parse_signature_input
from runbook_lib.request_signing.message import NotCanonicalError, field_values
from tests.support.growth import grows_too_fast

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.11 calls it re._parser
    import sre_parse

ROOT = Path(__file__).parents[3]
FOLDERS = ("runbook_lib", "runbooks", "oci", "publisher", "vibedata", "scripts")
SEARCHING = frozenset({"search", "sub", "subn", "findall", "finditer", "split"})
METHODS = SEARCHING | {"match", "fullmatch"}
MANY = 10
SOME_CHARACTERS = "aA0 .-/:_+,;=\\\"'\t\n~*@"
ENDS = ("", "\x00", "!")


@dataclass(frozen=True, slots=True)
class Used:
    """A pattern, and how it is used: with `search` from every character, or from the first character only."""

    where: str
    pattern: "re.Pattern[str]"
    searching: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.pattern.pattern[:60]}"


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file.stem not in ("__init__", "__main__"):
                yield (
                    ".".join(file.relative_to(ROOT).with_suffix("").parts),
                    ast.parse(file.read_text(encoding="utf-8")),
                )


def used_patterns() -> list[Used]:
    found: dict[tuple[str, int, bool], Used] = {}

    def keep(where: str, pattern: object, *, searching: bool) -> None:
        if isinstance(pattern, str):
            pattern = re.compile(pattern)
        if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            found.setdefault((pattern.pattern, pattern.flags, searching), Used(where, pattern, searching))

    for name, tree in sources():
        module = importlib.import_module(name)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
                continue
            owner, searching = node.func.value, node.func.attr in SEARCHING
            if isinstance(owner, ast.Name) and owner.id == "re":
                keep(name, value_of(node.args[0], module), searching=searching)
            else:
                keep(name, value_of(owner, module), searching=searching)
        for pattern in in_tables(vars(module).values()):
            keep(name, pattern, searching=False)
    return list(found.values())


def value_of(expression: ast.expr, module: ModuleType) -> object:
    """Return the value of an expression in a module, None if it needs more than the module has."""
    code = compile(ast.Expression(expression), "<source>", "eval")
    try:
        return eval(code, dict(vars(module)))  # noqa: S307 - the project's own sources
    except Exception:  # noqa: BLE001 - a local name: the tables have its values
        return None


def in_tables(values: Any, depth: int = 3) -> Iterator[str]:
    """Yield the patterns in tables: forms of settings and of reports, and named texts."""
    for value in values:
        if isinstance(value, Text):
            yield value.pattern
        elif isinstance(value, str) and "[" in value and len(value) < 400 and compiles(value):
            yield value
        elif isinstance(value, Mapping) and depth:
            yield from in_tables(value.values(), depth - 1)
        elif isinstance(value, (tuple, frozenset)) and depth and not is_dataclass(value):
            yield from in_tables(value, depth - 1)


def compiles(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def attacks(pattern: "re.Pattern[str]") -> Iterator[tuple[str, str]]:
    """Yield for each part that may repeat the text that leads to it, and the part."""
    yield from {("", character): None for character in SOME_CHARACTERS}
    yield from _within(sre_parse.parse(pattern.pattern, pattern.flags & ~re.DEBUG), "")


def _within(items: Any, before: str) -> Iterator[tuple[str, str]]:
    for operation, argument in items:
        kind = str(operation)
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, most, part = argument
            if most > MANY:
                yield from ((before, unit) for unit in units(part))
            yield from _within(part, before)
        elif kind == "SUBPATTERN":
            yield from _within(argument[-1], before)
        elif kind == "BRANCH":
            for branch in argument[1]:
                yield from _within(branch, before)
        elif kind in ("ASSERT", "ASSERT_NOT"):
            yield from _within(argument[1], before)
        before += example([(operation, argument)])


def units(part: Any) -> set[str]:
    """Return texts that match a part: one that is made for it, and single characters."""
    made = {example(part)} - {""}
    if len(part) == 1 and str(part[0][0]) in ("IN", "LITERAL", "NOT_LITERAL", "ANY"):
        made |= {character for character in SOME_CHARACTERS if takes(part[0], character)}
    return made


def takes(item: Any, character: str) -> bool:
    kind, argument = str(item[0]), item[1]
    if kind == "LITERAL":
        return bool(argument == ord(character))
    if kind == "NOT_LITERAL":
        return bool(argument != ord(character))
    if kind == "ANY":
        return character != "\n"
    negated = str(argument[0][0]) == "NEGATE"
    inside = any(_in_set(str(each[0]), each[1], character) for each in argument)
    return inside != negated


def _in_set(kind: str, argument: Any, character: str) -> bool:
    if kind == "LITERAL":
        return bool(argument == ord(character))
    if kind == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    if kind == "CATEGORY":
        name = str(argument).removeprefix("CATEGORY_")
        classes = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w", "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S"}
        return re.match(classes.get(name, r"\W"), character) is not None
    return False


def example(items: Any) -> str:
    """Return a matching text in which each part occurs as seldom as possible."""
    text = ""
    for operation, argument in items:
        kind = str(operation)
        if kind == "LITERAL":
            text += chr(argument)
        elif kind in ("IN", "NOT_LITERAL", "ANY"):
            fitting = [each for each in SOME_CHARACTERS + "xfZ9" if takes((operation, argument), each)]
            text += fitting[0] if fitting else chr(argument[0][1][0] if isinstance(argument[0][1], tuple) else 33)
        elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            text += example(argument[2]) * argument[0]
        elif kind == "SUBPATTERN":
            text += example(argument[-1])
        elif kind == "BRANCH":
            text += example(argument[1][0])
    return text


PATTERNS = used_patterns()


@pytest.mark.parametrize("used", PATTERNS, ids=str)
def test_a_pattern_takes_time_as_its_text_grows(used: Used) -> None:
    ask = used.pattern.search if used.searching else used.pattern.fullmatch
    for before, unit in set(attacks(used.pattern)):
        for end in ENDS:
            slow = grows_too_fast(lambda n, before=before, unit=unit, end=end: ask(before + unit * n + end))  # type: ignore[misc]
            assert not slow, f"{before!r}, {unit!r} many times, {end!r}"


def test_the_patterns_are_found() -> None:
    found = {used.pattern.pattern for used in PATTERNS}
    assert len(found) > 60
    for part in ("sha256:", r"\r?\n", "hmac-", "://", "dcr-"):
        assert any(part in each for each in found), part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "searching", "attack"),
    [
        (r"[ \t]*\r?\n", True, ("", " ", "!")),
        (r"([^/]*[.:][^/]*/)?x", False, ("", ".", "")),
        (r"\( *(a?) *\)", False, ("(", " ", "!")),
    ],
)
def test_a_pattern_that_squares_is_found_out(pattern: str, searching: bool, attack: tuple[str, str, str]) -> None:
    compiled = re.compile(pattern)
    before, unit, end = attack
    assert (before, unit) in set(attacks(compiled)) and end in ENDS
    ask = compiled.search if searching else compiled.fullmatch
    assert grows_too_fast(lambda n: ask(before + unit * n + end))


@pytest.mark.parametrize("unit", [" ", "\t", " \t", "a ", "\r\n ", "\n", ","])
def test_a_field_is_read_in_time(unit: str) -> None:
    def read(count: int) -> None:
        try:
            field_values([("signature", "a" + unit * count + "b")])
        except NotCanonicalError:
            return

    assert not grows_too_fast(read)


def test_many_lines_of_one_field_are_read_in_time() -> None:
    assert not grows_too_fast(lambda count: field_values([("signature", "a" * 50)] * count))


@pytest.mark.parametrize("unit", [" ", '"a" ', ";a=1", "a", '"'])
def test_a_signature_field_that_is_too_long_is_not_looked_at(unit: str) -> None:
    with pytest.raises(NotSignatureFieldError):
        parse_signature_input("a=(" + unit * MAX_FIELD_CHARACTERS)
