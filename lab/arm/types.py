"""What ARM serves: a pattern of types and names below a provider's namespace, its api-versions and its handlers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from aiohttp import web

Names = Mapping[str, str]
Handler = Callable[[web.Request, Names], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Home:
    """The subscription and the resource group that one ARM serves, and who owns them.

    managed_by: id of the managed application that the group belongs to, "" if there is none.
    """

    subscription_id: str
    resource_group: str
    publishers: bool
    managed_by: str = ""

    @property
    def id(self) -> str:
        """ARM id of the resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A pattern below `/providers/<namespace>/` and what answers there, by HTTP method."""

    namespace: str
    pattern: tuple[str, ...]
    api_versions: tuple[str, ...]
    handlers: Mapping[str, Handler]

    def match(self, namespace: str, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the names in the path, or None if it is not this type's."""
        if self.namespace.lower() != namespace.lower() or len(segments) != len(self.pattern):
            return None
        names: dict[str, str] = {}
        for expected, segment in zip(self.pattern, segments, strict=True):
            if expected.startswith("{"):
                names[expected[1:-1]] = segment
            elif expected.lower() != segment.lower():
                return None
        return names

    @property
    def type_name(self) -> str:
        """Return e.g. `automationAccounts/runbooks`."""
        return "/".join(part for part in self.pattern if not part.startswith("{"))


def resource_type(
    namespace: str, pattern: str, api_versions: Sequence[str], handlers: Mapping[str, Handler]
) -> ResourceType:
    """Return the type whose `pattern` is written as in lab/arm/dispatch.py: types and {names} between slashes."""
    return ResourceType(
        namespace=namespace, pattern=tuple(pattern.split("/")), api_versions=tuple(api_versions), handlers=handlers
    )


def known_version(version: str, known: Sequence[str], *, now: float) -> bool:
    """Tell whether an api-version is served: a `known` one, or a newer one, which is served like the newest.

    Clients may be newer than this list. A preview must be in the list. A version dated after `now` (seconds since
    1970) does not exist in Azure.
    """
    if version in known:
        return True
    today = datetime.fromtimestamp(now, timezone.utc).date().isoformat()
    newest = max(one for one in known if len(one) == len(today))
    return len(version) == len(today) and newest < version <= today
