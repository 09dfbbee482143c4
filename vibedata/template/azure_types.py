"""Azure's own definitions of resource types: their api-versions, and the properties of the newest one.

The files in infra/types are made from Azure/bicep-types-az. infra/types/README.md says how.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from oci.files.reading import FileRefusedError, read_file
from runbook_lib.basics import strict_json
from runbook_lib.basics.strict_json import member

_MAX_BYTES = 4 * 1024 * 1024
_DATE_LENGTH = len("2026-01-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureType:
    """One resource type. `api_version` is its newest stable one, and `schema` describes a resource of it."""

    name: str
    api_version: str
    stable_versions: tuple[str, ...]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """The known types. `known` has their files, by the names of types in small letters with dots instead of slashes."""

    known: Mapping[str, Path]

    def find(self, name: str) -> AzureType | None:
        """Return a type by its name, in any case; None if it is not known, or if its file cannot be read."""
        file = self.known.get(name.replace("/", ".").lower())
        return None if file is None else _read(file)


def types_in(folder: Path) -> Types:
    """Return the types of the files in a folder, such as Microsoft.Storage.storageAccounts.json.

    Return no types if the folder does not exist.
    """
    return Types(known={file.stem.lower(): file.resolve() for file in folder.glob("*.json")})


def published(version: str) -> date | None:
    """Return the date of an api-version, None if it has none. For a preview it is the date in its first part."""
    try:
        return date.fromisoformat(version[:_DATE_LENGTH])
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _read(file: Path) -> AzureType | None:
    try:
        content = strict_json.loads(read_file(file, max_bytes=_MAX_BYTES))
        if not _is_definition(content):
            return None
    except (FileRefusedError, strict_json.NotStrictJsonError, RecursionError):
        return None
    name, _, version = content["type"].partition("@")
    return AzureType(
        name=name, api_version=version, stable_versions=tuple(content["stable_versions"]), schema=content["schema"]
    )


def _is_definition(content: object) -> bool:
    name, versions = member(content, "type"), member(content, "stable_versions")
    if not isinstance(name, str) or not _are_texts(versions) or not versions:
        return False
    return all(_is_day(each) for each in versions) and _is_schema(member(content, "schema"))


def _is_schema(value: object) -> bool:
    if not isinstance(value, Mapping) or ("variants" in value and "discriminator" not in value):
        return False
    if not all(is_form(value[key]) for key, is_form in _FORMS.items() if key in value):
        return False
    tables = [value.get(key, {}) for key in ("properties", "variants")]
    below = [value[key] for key in ("items", "additionalProperties") if key in value]
    return all(isinstance(each, Mapping) for each in tables) and all(
        map(_is_schema, [*below, *(schema for table in tables for schema in table.values())])
    )


def _is_day(version: str) -> bool:
    try:
        return date.fromisoformat(version) is not None
    except ValueError:
        return False


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except (re.error, OverflowError, RecursionError):
        return False


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


# For each member of a schema that the checks use, a function that tells whether its value has the right form.
_FORMS: Mapping[str, Callable[[object], bool]] = {
    "type": lambda value: value in ("string", "integer", "boolean", "array", "object"),
    "discriminator": lambda value: isinstance(value, str),
    "enum": lambda value: isinstance(value, list),
    "required": _are_texts,
    "readOnly": _are_texts,
    "minLength": _is_number,
    "maxLength": _is_number,
    "minimum": _is_number,
    "maximum": _is_number,
    "pattern": _is_pattern,
}
