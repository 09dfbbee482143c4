"""Remove the parts that only a type checker reads from a module's text, and leave everything else in its place.

Pure.
"""

import ast
from functools import cache

_GUARD = "TYPE_CHECKING"


@cache  # the runbooks of a build share most of the library
def without_type_imports(text: str) -> str:
    """Return a module's text. Empty lines replace its `if TYPE_CHECKING:`, which is never true in a run.

    An `if` with an `else`, or inside a class or a function, stays.

    `text` is normalised, and the sandbox's Python can read it. The time is proportional to its length.
    """
    lines = text.split("\n")
    for node in ast.parse(text).body:
        match node:
            case ast.If(test=ast.Name(id=name), orelse=[]) if name == _GUARD:
                last = node.end_lineno or node.lineno
                lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
    return "\n".join(lines)
