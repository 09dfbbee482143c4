"""Azure's own definitions of resource types: their api-versions, and the properties of the newest one.

The files in infra/types are made from Azure/bicep-types-az. infra/types/README.md says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from oci.files.reading import read_file
from runbook_lib.basics import strict_json

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
    """The known types: their files, by type names in small letters with dots instead of slashes."""

    known: Mapping[str, Path]

    def find(self, name: str) -> AzureType | None:
        """Return a type by its name, in any case; None if it is not known."""
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
def _read(file: Path) -> AzureType:
    content = strict_json.loads(read_file(file, max_bytes=_MAX_BYTES))
    name, _, version = content["type"].partition("@")
    return AzureType(
        name=name, api_version=version, stable_versions=tuple(content["stable_versions"]), schema=content["schema"]
    )
