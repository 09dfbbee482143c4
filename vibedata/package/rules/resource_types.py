"""Rules about Azure's own type definitions. They find what Azure would refuse when the template is deployed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vibedata.package.contents import Contents
from vibedata.package.expressions import is_expression
from vibedata.package.located_json import Path
from vibedata.package.rule import Fault, template_rule
from vibedata.package.template import Scope

_SOURCE = "Azure/bicep-types-az, kept in infra/types"
# The members that every resource of a template may have.
_OF_ANY_RESOURCE = {
    "type",
    "apiVersion",
    "id",
    "name",
    "dependsOn",
    "condition",
    "copy",
    "comments",
    "scope",
    "metadata",
    "resources",
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": Mapping,
}
# A part of a resource: its path, its value, and its definition. `is_root` is set for the resource itself.
_Part = tuple[Path, Any, Mapping[str, Any], bool]


@template_rule(
    "Types Must Be Known",
    source=_SOURCE,
    remedy="Correct the type's name. If it is right, add its definition to infra/types.",
    types=True,
)
def types_must_be_known(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a resource whose type has no definition."""
    for resource in scope.resources():
        if not resource.is_deployment and contents.types.find(resource.type) is None:
            yield Fault(scope.name, (*resource.path, "type"), f"{resource.type} is not known")


@template_rule(
    "Properties Must Be Known",
    source=_SOURCE,
    remedy="Correct the property's name, or its place. Names are compared with their capitals.",
    types=True,
)
def properties_must_be_known(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a property that the type does not have. Azure ignores or refuses it."""
    for path, value, schema, is_root in _parts(scope, contents):
        known = schema.get("properties")
        if not isinstance(value, Mapping) or known is None or "additionalProperties" in schema:
            continue
        for key in value:
            is_known = key in known or (is_root and key in _OF_ANY_RESOURCE) or key == schema.get("discriminator")
            if not is_known and key != "copy" and not is_expression(key):
                yield Fault(scope.name, (*path, key), f"there is no property {key} here")


@template_rule(
    "Required Properties Must Be Set",
    source=_SOURCE,
    remedy="Set the property.",
    types=True,
)
def required_properties_must_be_set(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a missing property that the type demands."""
    for path, value, schema, _ in _parts(scope, contents):
        if isinstance(value, Mapping) and "copy" not in value:
            for key in schema.get("required", ()):
                if key not in value:
                    yield Fault(scope.name, path, f"property {key} is missing")


@template_rule(
    "Read-Only Properties Must Not Be Set",
    source=_SOURCE,
    remedy="Take the property out: Azure sets it.",
    types=True,
)
def read_only_properties_must_not_be_set(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a property that Azure alone sets."""
    for path, value, schema, is_root in _parts(scope, contents):
        if isinstance(value, Mapping):
            for key in schema.get("readOnly", ()):
                if key in value and not (is_root and key in _OF_ANY_RESOURCE):
                    yield Fault(scope.name, (*path, key), f"property {key} is read-only")


@template_rule(
    "Values Must Be Allowed",
    source=_SOURCE,
    remedy="Give a value of the kind that the message names.",
    types=True,
)
def values_must_be_allowed(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a literal of another kind, a literal that is not in the type's list, or a literal beyond the type's
    bounds.
    """
    for path, value, schema, is_root in _parts(scope, contents):
        if not is_root and (trouble := _trouble(value, schema)):
            yield Fault(scope.name, path, trouble)


def _parts(scope: Scope, contents: Contents) -> Iterator[_Part]:
    """Yield each part of each resource whose definition has the resource's api-version.

    A nested deployment is left out: the compiler makes it, and the template in it has its own scope.
    """
    for resource in scope.resources():
        known = contents.types.find(resource.type)
        if known is not None and not resource.is_deployment and resource.value.get("apiVersion") == known.api_version:
            yield from _below(resource.path, resource.value, known.schema, is_root=True)


def _below(path: Path, value: Any, schema: Mapping[str, Any], *, is_root: bool = False) -> Iterator[_Part]:
    if isinstance(value, str) and is_expression(value):
        return
    if isinstance(value, Mapping) and "variants" in schema:
        chosen = value.get(schema["discriminator"])
        variant = schema["variants"].get(chosen, {}) if isinstance(chosen, str) else {}
        properties = {**schema.get("properties", {}), **variant.get("properties", {})}
        required = [*schema.get("required", ()), *variant.get("required", ())]
        schema = {**schema, "properties": properties, "required": required}
    yield path, value, schema, is_root
    if isinstance(value, Mapping):
        for key, each in value.items():
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(below, Mapping) and not (is_root and key in _OF_ANY_RESOURCE):
                yield from _below((*path, key), each, below)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, each in enumerate(value):
            yield from _below((*path, index), each, schema["items"])


def _trouble(value: Any, schema: Mapping[str, Any]) -> str | None:
    kind = schema.get("type")
    expected = _KINDS.get(kind) if isinstance(kind, str) else None
    if expected is not None and (not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean")):
        return f"it takes a value of type {kind}"
    allowed = schema.get("enum")
    if allowed and not schema.get("open") and value not in allowed:
        return f"it takes one of {', '.join(map(str, allowed))}"
    if isinstance(value, str):
        return _text_trouble(value, schema)
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"it takes {schema.get('minimum', 'any')} to {schema.get('maximum', 'any')}"
    return None


def _text_trouble(value: str, schema: Mapping[str, Any]) -> str | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"it takes {schema.get('minLength', 0)} to {schema.get('maxLength', 'any number of')} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"it takes a text of the form {schema['pattern']}"
    return None
