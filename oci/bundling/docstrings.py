"""Take the docstrings out of a module's text, and leave everything else at its place. Pure."""

import ast
from collections.abc import Iterator
from functools import cache

# The fields that hold statements, or what holds statements: handlers of exceptions, cases of a match.
_OF_STATEMENTS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache  # the runbooks of a build share most of the library
def without_docstrings(text: str) -> str:
    """Return a module's text with empty lines in the place of its docstrings.

    What is left stands on its line and in its column, comments included. Where a docstring is all that a class or a
    function has, `pass` takes its place. One that shares a line with other code stays.

    text: normalised, of syntax that the sandbox's Python reads. Takes time in proportion to its length.
    """
    # Not splitlines: Python's own lines end with a line feed alone, and a form feed may stand within one.
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
    """Yield each docstring's statement, and whether it is all that its class or function has."""
    # Only statements hold classes and functions. Most of a tree are expressions.
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
