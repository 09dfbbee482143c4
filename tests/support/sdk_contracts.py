"""The contracts of a service's operations in the installed official clients, to compare with a recording of the lab.

Each generated operation names its method and path, the statuses that it accepts, and the model that it reads the answer
into. Each model names its fields, their types, which of them are required, and the words of enumerations. All of this
is read from the installed packages, and none of it is kept here.
"""

import ast
import importlib
import importlib.util
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

# The lab's service -> packages with generated operations (all modules below `operations`), and their models.
PACKAGES: Mapping[str, Sequence[tuple[str, str]]] = {
    "arm": (
        ("azure.mgmt.automation.operations", "azure.mgmt.automation.models"),
        ("azure.mgmt.containerregistry.operations", "azure.mgmt.containerregistry.models"),
        ("azure.mgmt.monitor.operations", "azure.mgmt.monitor.models"),
        ("azure.mgmt.resource.resources.operations", "azure.mgmt.resource.resources.models"),
    ),
    "key_vault": (
        ("azure.keyvault.secrets._generated._operations", "azure.keyvault.secrets._generated.models"),
        ("azure.keyvault.keys._generated._operations", "azure.keyvault.keys._generated.models"),
    ),
    "customer_registry": (
        ("azure.containerregistry._generated.operations", "azure.containerregistry._generated.models"),
    ),
    "table": (("azure.data.tables._generated.operations", "azure.data.tables._generated.models"),),
}
SAME = {"publisher_key_vault": "key_vault", "publisher_registry": "customer_registry"}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
PRIMITIVES: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "long": int,
    "float": (int, float),
    "bool": bool,
    "object": object,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. statuses: those that it accepts. model: the answer's, "" for none. many: a page of models."""

    name: str
    method: str
    path: str
    statuses: frozenset[int]
    model: str
    many: bool
    models: ModuleType

    def match(self, path: str) -> bool:
        """Tell whether a request's path is this operation's."""
        return _pattern(self.path).fullmatch(path.rstrip("/") or "/") is not None


@cache
def operations(service: str) -> tuple[Operation, ...]:
    """Return every operation that the installed clients have for a service of the lab."""
    found: list[Operation] = []
    for package, models in PACKAGES[SAME.get(service, service)]:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations is not None, package
        for file in sorted(Path(spec.submodule_search_locations[0]).glob("_*operations.py")):
            found += _read(ast.parse(file.read_text(encoding="utf-8")), importlib.import_module(models))
    return tuple(found)


def find(service: str, method: str, path: str, status: int) -> Operation | None:
    """Return the operation of a request, by its path without a query. None if no client knows it.

    If several have the path (an upload's begin, with and without a mount), return one that accepts the status.
    """
    found = [one for one in operations(service) if one.method == method and one.match(path)]
    return max(found, key=lambda one: (one.path.count("/"), -one.path.count("{"), status in one.statuses), default=None)


def differences(operation: Operation, status: int, body: object) -> list[str]:
    """Return how an answer differs from what the client accepts. `body` is JSON, None if there is no body."""
    if status not in operation.statuses:
        return [f"status {status} is none of {sorted(operation.statuses)}"]
    if not operation.model or body is None or status in (202, 204):
        return []
    if operation.many:
        items = body.get("value", []) if isinstance(body, dict) else [body]
        return sorted({text for item in items for text in _model(operation.models, operation.model, item, "[]")})
    return sorted(set(_model(operation.models, operation.model, body, "")))


@cache
def _pattern(path: str) -> "re.Pattern[str]":
    parts = re.split(
        r"(\{[^}]+\})", re.sub(r"^(https?://)?\{(endpoint|url|vaultBaseUrl)\}", "", path).rstrip("/") or "/"
    )
    wide = {"{scope}", "{resourceId}", "{resourceUri}"}
    name = r".+?" if path.startswith(("/v2/", "/acr/v1/")) else r"[^/]+"
    text = "".join((".+" if part in wide else name) if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(text, re.IGNORECASE)


def _read(tree: ast.Module, models: ModuleType) -> Iterator[Operation]:
    builders = {
        node.name: built
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and (built := _builder(node)) is not None
    }
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        methods = {node.name: node for node in group.body if isinstance(node, ast.FunctionDef)}  # the last: no overload
        for name, node in methods.items():
            built = next((builders[one] for one in _called(node) if one in builders), None)
            statuses = _statuses(node)
            # An operation that gets any resource by its id says nothing about the resource's form.
            if built is None or not statuses or built[1] == "/{resourceId}" or built[1].endswith("$batch"):
                continue
            # A long-running operation reads its result in the function that polls.
            reader = methods.get("begin" + name.removesuffix("_initial"), node) if name.endswith("_initial") else node
            model, many = _model_read(reader)
            yield Operation(
                name=f"{group.name.removesuffix('Operations').removesuffix('OperationsMixin')}.{name.strip('_')}",
                method=built[0],
                path=built[1],
                statuses=statuses,
                model=model,
                many=many,
                models=models,
            )


def _builder(function: ast.FunctionDef) -> tuple[str, str] | None:
    method = path = ""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_url":
            texts = [
                one.value
                for one in ast.walk(node.value)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            path = path or next((text for text in texts if text != "template_url"), "")
        if isinstance(node, ast.keyword) and node.arg == "method" and isinstance(node.value, ast.Constant):
            method = str(node.value.value)
    return (method, path) if method and path else None


def _called(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _statuses(function: ast.FunctionDef) -> frozenset[int]:
    """Return what `response.status_code not in [...]` lets pass."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Compare)
            and isinstance(node.ops[0], ast.NotIn)
            and isinstance(node.comparators[0], ast.List)
        ):
            numbers = [one.value for one in node.comparators[0].elts if isinstance(one, ast.Constant)]
            if numbers and all(isinstance(one, int) for one in numbers):
                return frozenset(int(str(one)) for one in numbers)
    return frozenset()


def _model_read(function: ast.FunctionDef) -> tuple[str, bool]:
    """Return the model that the answer is read into, and whether a page of them."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in ("_deserialize", "deserialize"):
            continue
        what = node.args[0]
        if isinstance(what, ast.Attribute) and getattr(what.value, "id", "") == "_models":
            return what.attr, False
        if isinstance(what, ast.Subscript) and isinstance(what.slice, ast.Attribute):
            return what.slice.attr, True
        if isinstance(what, ast.Constant) and isinstance(what.value, str) and what.value[:1].isupper():
            return what.value, False
    return "", False


def _model(models: ModuleType, name: str, value: object, where: str) -> Iterator[str]:
    """Yield how `value` differs from the model's fields."""
    cls = getattr(models, name, None)
    if cls is None or isinstance(value, str | bool | int | float):
        if cls is not None:
            yield f"{where}: {type(value).__name__} for {name}"
        return
    if value is None:
        return
    if not isinstance(value, dict):
        yield f"{where}: {type(value).__name__} for {name}"
        return
    fields = _fields(models, _variant(cls, value))
    known = {rest for rest, _, _ in fields}
    heads = {rest.split(".")[0] for rest in known}
    if "" not in known and known:
        yield from (
            f"{where}.{key}: unknown"
            for key in value
            if key.replace(".", "\\.") not in heads | known and key not in heads
        )
    for rest, kind, required in fields:
        if not rest:
            continue
        found: object = value
        for part in re.split(r"(?<!\\)\.", rest):
            found = found.get(part.replace("\\.", ".")) if isinstance(found, dict) else None
        if found is None:
            if required:
                yield f"{where}.{rest}: required"
            continue
        yield from _value(models, kind, found, f"{where}.{rest}")


def _variant(cls: Any, value: Mapping[str, Any]) -> Any:
    """Return the model of a polymorphic answer."""
    for key, subclass in getattr(cls, "__mapping__", {}).items():
        if key in [one for one in value.values() if isinstance(one, str)]:
            return _variant(subclass, value) if subclass is not cls else subclass
    return cls


@cache
def _fields(models: ModuleType, cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Return a model's fields: the name on the wire, the type, and whether the field is required."""
    if hasattr(cls, "_attribute_map"):
        validation = getattr(cls, "_validation", {})
        return tuple(
            (one["key"], one["type"], bool(validation.get(name, {}).get("required")))
            for name, one in cls._attribute_map.items()
        )
    hints = typing.get_type_hints(cls, localns={"_models": models})
    found = {}
    for base in reversed(cls.__mro__):
        for name, one in vars(base).items():
            if type(one).__name__ == "_RestField":
                optional = type(None) in typing.get_args(hints[name])
                found[name] = (one._rest_name_input or name, hints[name], not optional)
    return tuple(found.values())


def _value(models: ModuleType, kind: Any, value: object, where: str) -> Iterator[str]:
    """Yield how a value differs from its type: a text from the older generator, an annotation from the newer one."""
    if isinstance(kind, str):
        yield from _old_value(models, kind, value, where)
        return
    origin, arguments = typing.get_origin(kind), [one for one in typing.get_args(kind) if one is not type(None)]
    if origin is typing.Union:
        words = next((one for one in arguments if isinstance(one, type) and issubclass(one, Enum)), None)
        if words is not None:
            yield from _word(words, value, where)
        elif len(arguments) == 1:
            yield from _value(models, arguments[0], value, where)
    elif origin in (list, dict):
        if not isinstance(value, origin):
            yield f"{where}: {type(value).__name__} for {origin.__name__}"
            return
        for item in value if isinstance(value, list) else value.values():
            yield from _value(models, arguments[-1], item, f"{where}[]")
    elif kind is datetime:
        yield from _old_value(models, "iso-8601", value, where)
    elif isinstance(kind, type):
        yield from _old_value(models, kind.__name__, value, where)


def _word(words: type[Enum], value: object, where: str) -> Iterator[str]:
    if value not in [str(one.value) for one in words]:
        yield f"{where}: {value!r} is no {words.__name__}"


def _old_value(models: ModuleType, kind: str, value: object, where: str) -> Iterator[str]:
    """Do the same for packages of the older generator. Their types are texts: str, [Model], {str}, iso-8601."""
    if kind.startswith("[") or kind.startswith("{"):
        wanted = list if kind.startswith("[") else dict
        if not isinstance(value, wanted):
            yield f"{where}: {type(value).__name__} for {kind}"
            return
        for item in value if isinstance(value, list) else value.values():
            yield from _old_value(models, kind[1:-1], item, f"{where}[]")
    elif kind in ("iso-8601", "unix-time"):
        if not isinstance(value, int) and not (isinstance(value, str) and DATE_TIME.fullmatch(value)):
            yield f"{where}: no time: {value!r}"
    elif kind in PRIMITIVES:
        if not isinstance(value, PRIMITIVES[kind]) or (isinstance(value, bool) and kind not in {"bool", "object"}):
            yield f"{where}: {type(value).__name__} for {kind}"
    elif hasattr(models, kind):
        yield from _model(models, kind, value, where)
