"""Role assignments and deny assignments, and what they let a principal do. It keeps state, but does no input or output.

Faithful: a principal may do something if a role that is assigned at the scope or above it grants the action and does
not exclude it (`notActions`). A deny assignment at the scope or above it outweighs every role, unless it excludes the
principal. Names of actions and scopes are compared without case.
Left out: conditions, groups, the time that an assignment takes to work (a test injects the 403 of these minutes).
Source: learn role-based-access-control/overview, deny-assignments.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.authorization.roles import ROLES, Role
from lab.tokens import SANDBOX_CLAIM

Judged = Literal["nobody", "jobs", "everybody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a request does, and to what.

    name: e.g. `Microsoft.Storage/storageAccounts/read`. scope: the ARM id of the resource. is_data: whether it is an
    action on data. Roles list these apart from the actions on resources.
    """

    name: str
    scope: str
    is_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A deny assignment.

    excluded: ids of the principals that it does not apply to. own_scope_only: whether it applies to nothing below its
    scope. condition: its condition. The lab does not understand it, and never takes it as met.
    """

    name: str
    id: str
    scope: str
    actions: tuple[str, ...]
    data_actions: tuple[str, ...]
    excluded: tuple[str, ...]
    own_scope_only: bool = False
    condition: str = ""

    def denies(self, action: Action, principal: str) -> bool:
        """Tell whether it denies an action to a principal."""
        names = self.data_actions if action.is_data else self.actions
        return (
            is_within(action.scope, self.scope)
            and not (self.own_scope_only and not is_within(self.scope, action.scope))
            and not self.condition
            and principal not in self.excluded
            and any(matches(name, action.name) for name in names)
        )


@dataclass(slots=True)
class Authorization:
    """The assignments, and the callers that need them.

    roles: by the GUID of their definition. judged: the callers whose requests need a role; all others have every right.
    assignments: role assignments as ARM shows them, by lower-cased id. asked: names of the actions that judged callers
    have asked for.
    """

    roles: dict[str, Role] = field(default_factory=lambda: dict(ROLES))
    judged: Judged = "nobody"
    assignments: dict[str, dict[str, Any]] = field(default_factory=dict)
    denials: list[Denial] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Start again: only built-in roles, nothing assigned, nothing denied, nobody judged."""
        self.roles = dict(ROLES)
        self.judged = "nobody"
        self.assignments.clear()
        self.denials.clear()
        self.asked.clear()

    def judges(self, claims: Mapping[str, object]) -> bool:
        """Tell whether the caller with these claims needs roles."""
        return self.judged == "everybody" or (self.judged == "jobs" and bool(claims.get(SANDBOX_CLAIM)))

    def allows(self, claims: Mapping[str, object], action: Action) -> bool:
        """Tell whether a caller's roles allow something. Deny assignments are not considered."""
        if not self.judges(claims):
            return True
        self.asked.add(action.name)
        return any(grants(role, action) for role in self.roles_at(str(claims["oid"]), action.scope))

    def denial(self, claims: Mapping[str, object], action: Action) -> Denial | None:
        """Return a deny assignment that keeps a caller from something, None if there is none."""
        if not self.judges(claims):
            return None
        return next((denial for denial in self.denials if denial.denies(action, str(claims["oid"]))), None)

    def permits(self, claims: Mapping[str, object], action: Action) -> bool:
        """Tell whether a caller may do something: its roles allow it, and no deny assignment forbids it."""
        return self.allows(claims, action) and self.denial(claims, action) is None

    def roles_at(self, principal: str, scope: str) -> Iterator[Role]:
        """Yield the roles of a principal at a scope: those that are assigned there or above."""
        for assignment in self.assignments.values():
            properties: Mapping[str, str] = assignment["properties"]
            if properties["principalId"].lower() == principal.lower() and is_within(scope, properties["scope"]):
                yield self.roles[properties["roleDefinitionId"].rpartition("/")[2].lower()]


def grants(role: Role, action: Action) -> bool:
    """Tell whether a role grants an action."""
    if action.is_data:
        return _any_matches(role.data_actions, action.name)
    return _any_matches(role.actions, action.name) and not _any_matches(role.not_actions, action.name)


def is_within(scope: str, above: str) -> bool:
    """Tell whether `scope` is `above` or below it."""
    return f"{scope}/".lower().startswith(f"{above}/".lower())


def matches(pattern: str, name: str) -> bool:
    """Tell whether an action's name matches a role's pattern, in which `*` stands for any characters.

    Between two slashes it may stand for no part at all: role Managed Identity Operator, whose action is
    `userAssignedIdentities/*/assign/action`, grants `userAssignedIdentities/assign/action`.
    """
    expressions = (
        ".*".join(re.escape(part) for part in each.lower().split("*"))
        for each in (pattern, pattern.replace("/*/", "/"))
    )
    return any(re.fullmatch(expression, name.lower()) is not None for expression in expressions)


def _any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)
