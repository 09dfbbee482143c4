"""Remove the imports for type checkers from a module's text, and leave everything else in its place. Pure."""

import ast
from functools import cache

_GUARD = "TYPE_CHECKING"


@cache  # the runbooks of a build share most of the library
def without_type_imports(text: str) -> str:
    """Return a module's text. Empty lines replace each block `if TYPE_CHECKING:`, because it never runs.

    A block with an `else` stays. So does a block inside another statement, for example inside a function.

    `text` is normalised, and the sandbox's Python can read it. The time is proportional to the length of `text`.
    """
    lines = text.split("\n")
    for node in ast.parse(text).body:
        match node:
            case ast.If(test=ast.Name(id=name), orelse=[]) if name == _GUARD:
                last = node.end_lineno or node.lineno
                lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
    return "\n".join(lines)
