"""Find out which parameters a published runbook takes. This reads the runbook's text and executes no part of it.

The account may hold the runbook of an older or a newer release than this command's. A built runbook holds its sources
as texts, one for each module (oci/bundling). So it contains its declarations in the same form as this project.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import run
from runbook_lib.run.parameters import MAX_ARGUMENT_BYTES, check

SourceOf = Callable[[str], "str | None"]

_KINDS: Mapping[str, object] = {"str": str, "bool": bool, "int": int, "Mapping[str, str]": Mapping[str, str]}
# No class of parameters has such a long chain of base classes.
_MAX_DEPTH = 10
# Python's parser may raise these errors for a hostile text.
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The parameters of a runbook.

    Attributes:
        kinds: The type of each parameter, by name. `object` stands for a type that this command does not know.
        required: The names of the parameters without a default.
        form: The declarations themselves, without comments and docstrings. Runbooks with equal declarations take the
            same values.
    """

    kinds: Mapping[str, object]
    required: frozenset[str]
    form: tuple[str, ...]

    def check(self, given: Mapping[str, Any], runbook: str) -> None:
        """Check names and types, and that every required parameter is given. Raises RunbookError VD-PARAM-001, -002."""
        # The runbook itself decides how long a text may be. No argument of a job is longer than this.
        check(given, self.kinds, dict.fromkeys(self.kinds, MAX_ARGUMENT_BYTES))
        for name in sorted(self.required - given.keys()):
            raise run.MALFORMED_PARAMETER.error(f"{runbook} requires it, and it is not given", target=name)

    def known(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        """Return the offered parameters that the runbook takes."""
        return {name: value for name, value in offered.items() if name in self.kinds}


def declared_in(built: str, runbook: str) -> Declared | None:
    """Return what a built runbook declares, None if the text is no built runbook that this command understands."""
    try:
        sources = _embedded(built)
    except _UNREADABLE:
        return None
    return declared_by(sources.get, runbook)


def declared_by(source_of: SourceOf, runbook: str) -> Declared | None:
    """Return what a runbook declares, None if this command does not understand it.

    source_of: returns the text of a file such as `runbook_lib/run/parameters.py`, None if there is none.
    """
    try:
        return _declared(source_of, runbook)
    except (*_UNREADABLE, _NotUnderstoodError):
        return None


def _declared(source_of: SourceOf, runbook: str) -> Declared | None:
    file = f"runbooks/{runbook}.py"
    module = _parsed(source_of, file)
    name = None if module is None else _parameters_class(module)
    if name is None:
        return None
    classes = list(_chain(source_of, file, name, _MAX_DEPTH))
    kinds: dict[str, object] = {}
    required: set[str] = set()
    for each in reversed(classes):  # the fields of a class replace the fields of its base classes
        for item in each.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                kinds[item.target.id] = _KINDS.get(ast.unparse(item.annotation), object)
                (required.discard if _has_default(item.value) else required.add)(item.target.id)
    return Declared(kinds=kinds, required=frozenset(required), form=tuple(_form(each) for each in classes))


class _NotUnderstoodError(Exception):
    """The text declares its parameters in another way than the suite's runbooks do."""


def _embedded(built: str) -> Mapping[str, str]:
    """Return the modules that a built runbook embeds: `SOURCES['file'] = r'''...'''[1:]`."""
    found: dict[str, str] = {}
    for node in ast.parse(built).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)):
            continue
        target, value = node.targets[0], node.value
        if (
            isinstance(target.value, ast.Name)
            and target.value.id == "SOURCES"
            and isinstance(target.slice, ast.Constant)
            and isinstance(value, ast.Subscript)
            and isinstance(value.value, ast.Constant)
            and isinstance(value.value.value, str)
        ):
            found[str(target.slice.value)] = value.value.value[1:]
    return found


def _parsed(source_of: SourceOf, file: str) -> ast.Module | None:
    text = source_of(file)
    return None if text is None else ast.parse(text)


def _parameters_class(module: ast.Module) -> str | None:
    """Return the class in `RUNBOOK = Runbook(..., parameters=CLASS, ...)`."""
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "RUNBOOK" for target in targets):
                values = [each.value for each in node.value.keywords if each.arg == "parameters"]
                return values[0].id if values and isinstance(values[0], ast.Name) else None
    return None


def _chain(source_of: SourceOf, file: str, name: str, depth: int) -> "list[ast.ClassDef]":
    """Return a class and its base classes, up to the first one. Raises _NotUnderstoodError."""
    module = _parsed(source_of, file)
    if module is None or depth == 0:
        raise _NotUnderstoodError(file)
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            if not node.bases:
                return [node]
            base = node.bases[0]
            if len(node.bases) > 1 or not isinstance(base, ast.Name):
                raise _NotUnderstoodError(name)
            return [node, *_chain(source_of, file, base.id, depth - 1)]
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _chain(source_of, node.module.replace(".", "/") + ".py", alias.name, depth - 1)
    raise _NotUnderstoodError(name)


def _has_default(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field":
        return any(each.arg in ("default", "default_factory") for each in value.keywords)
    return value is not None


def _form(declared: ast.ClassDef) -> str:
    """Return the text of a class without docstrings: a built runbook has docstrings only in its own module."""
    for node in ast.walk(declared):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(declared)
