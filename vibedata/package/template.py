"""A template as the rules see it.

The main template is one scope. Each nested template that evaluates its own expressions is another scope.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.strict_json import member
from vibedata.package.expressions import Call, Expression, ExpressionError, Literal, is_expression, parse, parts
from vibedata.package.located_json import Document, Path

DEPLOYMENTS = "microsoft.resources/deployments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource of a template. `type` is the complete type, also for a child inside its parent."""

    path: Path
    type: str
    value: Mapping[str, Any]

    @property
    def is_deployment(self) -> bool:
        """Tell whether it is a nested deployment. Bicep compiles a module to a nested deployment."""
        return self.type.lower() == DEPLOYMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The main template, or a nested one that evaluates its own expressions.

    `name` is the file's name in the package.
    """

    name: str
    path: Path
    value: Mapping[str, Any]
    is_main: bool
    by_bicep: bool

    def section(self, name: str) -> Mapping[str, Any]:
        """Return parameters, variables or outputs.

        The result is empty if the section is missing or is not an object.
        """
        found = self.value.get(name)
        return found if isinstance(found, Mapping) else {}

    def resources(self) -> Iterator[Resource]:
        """Yield each resource that this template evaluates."""
        yield from _resources(self.value.get("resources"), (*self.path, "resources"), "")

    def values(self, section: str | None = None) -> Iterator[tuple[Path, Any]]:
        """Yield a section, or the whole template, and each value below it. Values of nested scopes are left out."""
        inner = {each.path for each in self._nested()}
        start = self.value if section is None else self.value.get(section)
        path = self.path if section is None else (*self.path, section)
        yield from walk(start, path, lambda found: found not in inner)

    def texts(self, section: str | None = None) -> Iterator[tuple[Path, str]]:
        """Yield each text in a section, or in the whole template. A key that is an expression is a text, too."""
        for path, value in self.values(section):
            if isinstance(value, str):
                yield path, value
            elif isinstance(value, Mapping):
                yield from (((*path, key), key) for key in value if key.startswith("["))

    def calls(self, section: str | None = None) -> Iterator[tuple[Path, Call]]:
        """Yield each call of a function in an expression that can be read."""
        for path, text in self.texts(section):
            yield from ((path, call) for call in calls_in(text))

    def _nested(self) -> Iterator["Scope"]:
        for resource in self.resources():
            if resource.is_deployment and _is_inner(resource):
                template = member(resource.value, "properties", "template")
                if isinstance(template, Mapping):
                    path = (*resource.path, "properties", "template")
                    yield Scope(name=self.name, path=path, value=template, is_main=False, by_bicep=self.by_bicep)


def scopes(document: Document) -> Iterator[Scope]:
    """Yield the main template, and each nested template that evaluates its own expressions.

    An outer template comes before its inner templates.
    """
    value = document.value if isinstance(document.value, Mapping) else {}
    by_bicep = member(value, "metadata", "_generator", "name") == "bicep"
    waiting = [Scope(name=document.name, path=(), value=value, is_main=True, by_bicep=by_bicep)]
    while waiting:
        scope = waiting.pop(0)
        yield scope
        waiting += scope._nested()


def walk(value: Any, path: Path, enter: Callable[[Path], bool] = lambda _path: True) -> Iterator[tuple[Path, Any]]:
    """Yield a value and each value below it. Leave out each path for which `enter` returns False, and all below it."""
    if not enter(path):
        return
    yield path, value
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from walk(below, (*path, key), enter)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from walk(below, (*path, index), enter)


def referenced(call: Call, function: str) -> str | None:
    """Return NAME for the call function('NAME'), None for another call. `function` is parameters or variables."""
    if call.name.lower() != function or len(call.arguments) != 1:
        return None
    argument = call.arguments[0]
    return argument.value if isinstance(argument, Literal) and isinstance(argument.value, str) else None


def names_in(text: object, function: str) -> set[str]:
    """Return the parameters or variables that a text names, in small letters, because Azure ignores their case."""
    found = [referenced(call, function) for call in calls_in(text)]
    return {name.lower() for name in found if name is not None}


def calls_in(value: object) -> list[Call]:
    """Return the calls of a value. The result is empty if the value is not an expression, or cannot be read."""
    return [part for part in parts_in(value) if isinstance(part, Call)]


def parts_in(value: object) -> list[Expression]:
    """Return all expressions in one value, the outer one first. The result is empty if the value cannot be read."""
    if not isinstance(value, str) or not is_expression(value):
        return []
    try:
        return list(parts(parse(value)))
    except ExpressionError:
        return []  # rules/template_values.py finds it


def allowed_values(parameter: Mapping[str, Any], otherwise: list[Any]) -> list[Any]:
    """Return the values that a parameter allows, and `otherwise` if it has no list of them."""
    found = parameter.get("allowedValues")
    return found if isinstance(found, list) else otherwise


def is_secure(parameter: object) -> bool:
    """Tell whether a parameter's declaration says that its value is a secret."""
    return str(member(parameter, "type")).lower() in ("securestring", "secureobject")


def _is_inner(resource: Resource) -> bool:
    scope = member(resource.value, "properties", "expressionEvaluationOptions", "scope")
    return isinstance(scope, str) and scope.lower() == "inner"


def _resources(found: Any, path: Path, parent: str) -> Iterator[Resource]:
    if not isinstance(found, list):
        return
    for index, value in enumerate(found):
        if not isinstance(value, Mapping):
            continue
        here = (*path, index)
        type_ = str(value.get("type", ""))
        whole = f"{parent}/{type_}" if parent and not type_.lower().startswith(parent.lower() + "/") else type_
        resource = Resource(path=here, type=whole, value=value)
        yield resource
        yield from _resources(value.get("resources"), (*here, "resources"), whole)
        if resource.is_deployment and not _is_inner(resource):
            nested = member(value, "properties", "template", "resources")
            yield from _resources(nested, (*here, "properties", "template", "resources"), "")
