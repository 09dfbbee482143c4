"""Scopes of the registry token protocol, and which of them an identity is granted. Pure.

Faithful: the scope syntax `repository:<name>:<actions>` and `registry:catalog:*`; the token endpoint grants the part of
what is asked that the identity has, which may be nothing (Docker Registry v2 authentication, "token scope"); ACR's own
actions metadata_read, metadata_write and delete; a repository-scoped token's scope map of content/* and metadata/*
permissions on repositories, `*` at the end of a name taking all that begin so (learn container-registry-token-based-
repository-permissions). A scope map knows no catalog. An identity with rights on the whole registry gets metadata_read
with pull, since tools that know Docker's actions only do list tags there; a repository-scoped token must ask for it
(argoproj-labs/argocd-image-updater#473).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Action of the token protocol -> permission in a scope map.
PERMISSIONS = {
    "pull": "content/read",
    "push": "content/write",
    "delete": "content/delete",
    "metadata_read": "metadata/read",
    "metadata_write": "metadata/write",
}
ALL_PERMISSIONS = frozenset(PERMISSIONS.values())
READ_PERMISSIONS = frozenset({"content/read", "metadata/read"})
CATALOG = "catalog"


class ScopeRefused(Exception):  # noqa: N818 - an answer to the client, not a fault of the lab
    """A scope that is not understood; the text says which."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request needs or a client asks for: actions on a repository, or on the registry's catalog."""

    kind: str  # repository or registry
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        """Return the scope as it stands in a challenge."""
        order = [*PERMISSIONS, "*"]
        return f"{self.kind}:{self.name}:{','.join(sorted(self.actions, key=order.index))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What an identity may do: permissions by repository (`*` at the end: all that begin so), and see the catalog."""

    repositories: Mapping[str, frozenset[str]]
    catalog: bool = False
    whole_registry: bool = False

    def actions(self, repository: str) -> frozenset[str]:
        """Return the actions allowed on a repository."""
        permissions = {
            permission
            for pattern, allowed in self.repositories.items()
            if (repository.startswith(pattern[:-1]) if pattern.endswith("*") else repository == pattern)
            for permission in allowed
        }
        return frozenset(action for action, permission in PERMISSIONS.items() if permission in permissions)


EVERYTHING = Rights(repositories={"*": ALL_PERMISSIONS}, catalog=True, whole_registry=True)


def repository_scope(name: str, *actions: str) -> Scope:
    """Return the scope of actions on a repository."""
    return Scope("repository", name, frozenset(actions))


CATALOG_SCOPE = Scope("registry", CATALOG, frozenset({"*"}))


def parse(values: Iterable[str]) -> list[Scope]:
    """Read the `scope` parameters, each of which may hold several separated by spaces; ScopeRefused."""
    scopes = []
    for text in (part for value in values for part in value.split()):
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        known = {*PERMISSIONS, "*"}
        if kind not in ("repository", "registry") or not name or not set(actions.split(",")) <= known:
            raise ScopeRefused(f"scope '{text}' is not understood")
        scopes.append(Scope(kind, name, frozenset(actions.split(","))))
    return scopes


def granted(rights: Rights, asked: Iterable[Scope]) -> list[Scope]:
    """Return the part of what is asked that the rights cover; a scope of which nothing is left is left out."""
    scopes = []
    for scope in asked:
        if scope.kind == "registry":
            if rights.catalog and scope.name == CATALOG:
                scopes.append(CATALOG_SCOPE)
            continue
        allowed = rights.actions(scope.name)
        actions = allowed if "*" in scope.actions else allowed & scope.actions
        if "pull" in actions and rights.whole_registry:
            actions |= allowed & {"metadata_read"}
        if actions:
            scopes.append(Scope(scope.kind, scope.name, frozenset(actions)))
    return scopes


def covers(held: Iterable[Scope], needed: Scope) -> bool:
    """Tell whether the held scopes together have every needed action."""
    actions = {
        action for scope in held if (scope.kind, scope.name) == (needed.kind, needed.name) for action in scope.actions
    }
    return needed.actions <= actions
