"""The values of Bicep's expressions: plain values, objects that know their lines, and values that only Azure knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The project's template takes 3 % of this work. An evaluation that takes all of it ends after a few seconds.
MAX_WORK = 500_000
CHARACTERS_OF_A_PART = 16


@dataclass(frozen=True, slots=True)
class Runtime:
    """A value that Azure makes during the deployment. `text` is its name in the template."""

    text: str

    def __str__(self) -> str:
        """Return the value in the form of an ARM expression."""
        return f"[{self.text}]"


class LinedObject(dict[str, Any]):
    """An object of a file. It knows its own line and the line of each member."""

    def __init__(self, members: Mapping[str, Any], lines: Mapping[str, int], line: int) -> None:
        super().__init__(members)
        self.lines = dict(lines)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of the deployment, for the template's functions."""

    subscription_id: str = "00000000-0000-4000-8000-000000000001"
    tenant_id: str = "00000000-0000-4000-8000-000000000002"
    resource_group: str = "managed"
    location: str = "westeurope"
    managed_by: str = ""
    template_uri: str = "https://artifacts.example/mainTemplate.json"

    @property
    def group_id(self) -> str:
        """ARM id of the resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A resource that the template deploys, or looks up.

    Attributes:
        type: `Microsoft.X/y/z`.
        api_version: The api-version in the declaration.
        name: The name with its parents' names, `parent/child`.
        scope: The ARM id of the resource group, or of the resource that it extends.
        body: The body without `parent` and `scope`. `name` is as it is written there.
        file, line, symbol: The place and the symbol of the declaration.
        existing: Whether it is only looked up.
    """

    type: str
    api_version: str
    name: str
    scope: str
    body: LinedObject = field(compare=False, repr=False)
    file: str
    line: int
    symbol: str
    existing: bool = False

    @property
    def id(self) -> str:
        """ARM id of the resource."""
        namespace, *types = self.type.split("/")
        pairs = zip(types, self.name.split("/"), strict=True)
        return f"{self.scope}/providers/{namespace}/" + "/".join(f"{kind}/{name}" for kind, name in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The result of deploying a file. `modules` has the path and the parameters of this file and of each module."""

    resources: tuple[Deployed, ...]
    outputs: Mapping[str, Any]
    modules: tuple[tuple[str, Mapping[str, Any]], ...] = field(default=())

    def of_type(self, resource_type: str) -> tuple[Deployed, ...]:
        """Return the deployed resources of a type."""
        wanted = resource_type.lower()
        return tuple(each for each in self.resources if each.type.lower() == wanted and not each.existing)


class TooMuchError(Exception):
    """The evaluation takes more work than any real template does."""


class Work:
    """The work that an evaluation may still do. Without a limit, a few lines could need any memory and any time."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, *values: object) -> None:
        """Count the parts of values, and their characters. Raises TooMuchError."""
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            self._left -= 1
            if isinstance(value, Mapping):
                waiting += [each for pair in value.items() for each in pair]
            elif isinstance(value, list):
                waiting += value
            elif isinstance(value, str | Runtime):
                self._left -= len(value if isinstance(value, str) else value.text) // CHARACTERS_OF_A_PART
            if self._left < 0:
                raise TooMuchError


def has_runtime(value: object) -> bool:
    """Return whether a value is or contains a value that only Azure knows. A resource counts as such a value."""
    if isinstance(value, Mapping):
        return any(has_runtime(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(has_runtime(each) for each in value)
    return isinstance(value, Runtime | Deployed)
