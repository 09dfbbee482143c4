"""Remove errors that a built runbook cannot raise, and permissions that it does not declare. Pure.

An area of `runbook_lib/errors` has all failures of a subject. A module of `runbook_lib/permissions` has all permissions
for a kind of resource. Most runbooks need only a part of each.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cache

# For each folder of such modules, the name of the function or class that makes an entry.
ENTRIES = {"runbook_lib/errors/": "entry", "runbook_lib/permissions/": "Permission"}


def without_unused_entries(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the modules of a runbook. Empty lines replace each entry that no module names.

    An entry counts as named if its name occurs as a name, an attribute or an import, anywhere except in its own
    assignment.

    Args:
        texts: The normalised text of each file by its name. The sandbox's Python can read it.
    """
    named = frozenset().union(*map(_names, texts.values()))
    return {file: _without(text, named, _maker(file)) for file, text in texts.items()}


def _maker(file: str) -> str:
    """Return the name of the function or class that makes a module's entries, "" if the module has no entries."""
    return next((called for folder, called in ENTRIES.items() if file.startswith(folder)), "")


def _without(text: str, named: frozenset[str], maker: str) -> str:
    if not maker:
        return text
    lines = text.split("\n")
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=called))) if (
                called == maker and name not in named
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
