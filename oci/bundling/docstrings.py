"""Remove the docstrings from a module's text, and leave everything else in its place. Pure."""

import ast
from collections.abc import Iterator
from functools import cache

# The fields that hold statements, or that hold things with statements: handlers of exceptions, cases of a match.
_OF_STATEMENTS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache  # the runbooks of a build share most of the library
def without_docstrings(text: str) -> str:
    """Return a module's text. Empty lines replace its docstrings.

    All other code stays on its line and in its column, and comments stay on their lines. If a class or a function has
    only a docstring, `pass` replaces the docstring. A docstring that shares a line with other code stays.

    `text` is normalised, and the sandbox's Python can read it. The time is proportional to the length of `text`.
    """
    # Do not use splitlines: Python's own lines end only with a line feed, and a form feed may be inside a line.
    lines = text.split("\n")
    for docstring, is_alone in _docstrings(ast.parse(text)):
        first, last = docstring.lineno - 1, (docstring.end_lineno or docstring.lineno) - 1
        # Columns are counted in the bytes of UTF-8.
        before = lines[first].encode()[: docstring.col_offset].decode()
        after = lines[last].encode()[docstring.end_col_offset :].decode()
        if before.strip() or (after.strip() and not after.lstrip().startswith("#")):
            continue
        lines[first : last + 1] = [""] * (last + 1 - first)
        if is_alone:
            lines[first] = f"{before}pass"
        if after.strip():
            lines[last] = f"{lines[last] or before}{after}"
    return "\n".join(lines)


def _docstrings(tree: ast.Module) -> Iterator[tuple[ast.Expr, bool]]:
    """Yield each docstring's statement, and whether its class or function has no other statement."""
    # Look only at statements, because only they hold classes and functions. Most nodes of a tree are expressions.
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for field in _OF_STATEMENTS:
            waiting += getattr(node, field, ())
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str())) as docstring, *others]:
                yield docstring, not others and not isinstance(node, ast.Module)
