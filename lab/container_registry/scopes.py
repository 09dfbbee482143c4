"""Scopes of the registry token protocol, and which of them an identity is granted. Pure.

Faithful: the scope syntax `repository:<name>:<actions>` and `registry:catalog:*`. The token endpoint grants only those
requested actions that the identity has, possibly none (Docker Registry v2 authentication, "token scope"). ACR has
actions of its own: metadata_read, metadata_write and delete. The scope map of a repository-scoped token has content/*
and metadata/* permissions on repositories; a name that ends in `*` means all names that begin so (learn
container-registry-token-based-repository-permissions). A scope map has no right on the catalog. An identity with rights
on the whole registry gets metadata_read together with pull, because tools that know only Docker's actions can list tags
there. A repository-scoped token must ask for it (argoproj-labs/argocd-image-updater#473).
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
    """A scope is not understood. The text says which."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request needs or a client asks for: actions on a repository, or on the registry's catalog."""

    kind: str  # "repository" or "registry"
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        """Return the scope as a challenge writes it."""
        order = [*PERMISSIONS, "*"]
        return f"{self.kind}:{self.name}:{','.join(sorted(self.actions, key=order.index))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """An identity's rights: permissions by repository (`*` at the end means all that begin so), and the catalog."""

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
    """Read the `scope` parameters. Each may hold several scopes, separated by spaces. ScopeRefused if malformed."""
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
    """Return the requested actions that the rights cover. A scope without any is left out."""
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
    """Tell whether the granted scopes together have every needed action."""
    actions = {
        action for scope in held if (scope.kind, scope.name) == (needed.kind, needed.name) for action in scope.actions
    }
    return needed.actions <= actions
