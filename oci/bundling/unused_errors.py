"""Remove errors from the embedded areas of a runbook if the runbook cannot raise them. Pure.

An area of `runbook_lib/errors` holds all failures of a subject. Most runbooks can raise only a part of them.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cache

AREAS = "runbook_lib/errors/"
_ENTRY = "entry"


def without_unused_errors(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the modules of a runbook. Empty lines replace each error that no module names.

    An error counts as named if its name occurs outside of its own assignment, as a name, an attribute or an import.
    `texts` has the normalised text of each file, by its name. The sandbox's Python can read the texts.
    """
    named = frozenset().union(*map(_names, texts.values()))
    return {file: _without(text, named) if file.startswith(AREAS) else text for file, text in texts.items()}


def _without(text: str, named: frozenset[str]) -> str:
    lines = text.split("\n")
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=called))) if (
                called == _ENTRY and name not in named
            ):
                last = node.end_lineno or node.lineno
                lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
    return "\n".join(lines)


@cache  # the runbooks of a build share most of the library
def _names(text: str) -> frozenset[str]:
    return frozenset(_each_name(ast.walk(ast.parse(text))))


def _each_name(nodes: Iterable[ast.AST]) -> Iterable[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
