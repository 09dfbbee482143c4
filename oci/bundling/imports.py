"""Find the modules that a source file imports, from its syntax tree. Pure."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from runbook_lib.errors import build

# More than half of a tree's nodes have these types. No node below such a node is a statement or a call.
_LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


@dataclass(frozen=True, slots=True)
class Imports:
    """The imports of a module.

    Attributes:
        modules: The dotted names that can only be modules, e.g. `a` of `from a import b`.
        names: The dotted names that may be modules or other objects, e.g. `a.b` of `from a import b`.
    """

    modules: frozenset[str]
    names: frozenset[str]


def imports_of(tree: ast.Module, *, package: str) -> Imports:
    """Return the imports of a module, at its top or in a function.

    `package` is the dotted name of the package from which relative imports start. Imports only for type checking do not
    count, because they are never run. Raises RunbookError VD-BUILD-002 for an import of a computed name, because the
    tree does not show the name.
    """
    modules, names = set[str](), set[str]()
    for node in _run_nodes(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            modules.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _name(node.func) in {"import_module", "__import__"}:
            modules.add(_constant(node))
    return Imports(frozenset(modules), frozenset(names))


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that are run, in their order in the text, without those that hold no import.

    The trees of the library have more than 100,000 nodes together. With ast.iter_child_nodes, most of a build's time
    would go into these nodes.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        only_for_types = isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"
        children: list[ast.AST] = []
        for field in ("orelse",) if only_for_types else node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                children += [each for each in value if isinstance(each, ast.AST) and not isinstance(each, _LEAVES)]
            elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
                children.append(value)
        waiting += reversed(children)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """Resolve the dots of a relative import."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parents = parts[: len(parts) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constant(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    raise build.RUNBOOK_NOT_BUNDLED.error(f"line {call.lineno} imports a name that is computed")
