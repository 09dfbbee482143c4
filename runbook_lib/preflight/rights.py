"""Decide what an identity may do at a resource, from ARM's answers about its roles and deny assignments. Pure.

ARM's list of permissions covers only roles. It does not include deny assignments. ARM's answers are remote texts: this
module raises an error for an unexpected form, and it matches a pattern in linear time.

Source: learn rest/api/authorization/permissions and deny-assignments, 2022-04-01.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure
from runbook_lib.permissions.model import Permission

# In a deny assignment this id means everybody, except the excluded principals.
EVERYBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one role allows: patterns of actions. `*` stands for any characters."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    data_actions: tuple[str, ...]
    not_data_actions: tuple[str, ...]

    def allows(self, name: str, *, is_data: bool) -> bool:
        """Tell whether the role allows an action."""
        granted, taken_out = (self.data_actions, self.not_data_actions) if is_data else (self.actions, self.not_actions)
        return _any_matches(granted, name) and not _any_matches(taken_out, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A deny assignment.

    Attributes:
        name: Its name.
        denied: The actions that it denies, in the form of a role.
        principals: The ids of the principals that it applies to.
        excluded: The ids of the principals that it does not apply to.
        groups: The ids among both that are groups. Their members are not known here.
        only_at: The ARM id of the only resource that it applies to, "" if it also applies to resources below its scope.
        has_condition: Whether it has a condition. Nobody knows here whether the condition is met.
    """

    name: str
    denied: tuple[Grant, ...]
    principals: frozenset[str]
    excluded: frozenset[str]
    groups: frozenset[str]
    only_at: str = ""
    has_condition: bool = False

    def is_about(self, resource_id: str) -> bool:
        """Tell whether it applies to a resource. The resource is at its scope or below it."""
        return not self.only_at or self.only_at.strip("/").lower() == resource_id.strip("/").lower()

    def is_for(self, principal: str) -> bool | None:
        """Tell whether it applies to a principal. None means that the members of a group decide."""
        if principal in self.excluded:
            return False
        named = bool(self.principals & {principal, EVERYBODY})
        decisive = self.excluded if named else self.principals
        return None if decisive & self.groups else named


def grant_of(item: object) -> Grant:
    """Return a permission as ARM shows it. Raises RunbookError VD-ARM-001."""
    return Grant(
        actions=_texts(item, "actions"),
        not_actions=_texts(item, "notActions"),
        data_actions=_texts(item, "dataActions"),
        not_data_actions=_texts(item, "notDataActions"),
    )


def denial_of(item: Mapping[str, Any]) -> Denial:
    """Return a deny assignment as ARM shows it. Raises RunbookError VD-ARM-001."""
    permissions = member(item, "properties", "permissions")
    if not isinstance(permissions, list):
        raise azure.ARM_ANSWER_UNCLEAR.error("a deny assignment has no permissions")
    name = member(item, "properties", "denyAssignmentName")
    only_here = member(item, "properties", "doNotApplyToChildScopes") is True
    scope = member(item, "properties", "scope")
    return Denial(
        name=name if isinstance(name, str) else "",
        denied=tuple(grant_of(each) for each in permissions),
        principals=_ids(member(item, "properties", "principals")),
        excluded=_ids(member(item, "properties", "excludePrincipals")),
        groups=_ids(member(item, "properties", "principals"), of="Group")
        | _ids(member(item, "properties", "excludePrincipals"), of="Group"),
        only_at=scope if only_here and isinstance(scope, str) else "",
        has_condition=bool(member(item, "properties", "condition")),
    )


def lacking(permission: Permission, grants: Sequence[Grant]) -> tuple[str, ...]:
    """Return the actions of a permission that no role grants."""
    return tuple(
        name for name, is_data in _asked(permission) if not any(each.allows(name, is_data=is_data) for each in grants)
    )


def denied(permission: Permission, denial: Denial) -> tuple[str, ...]:
    """Return the actions of a permission that a deny assignment denies. This does not check to whom it applies."""
    return tuple(
        name
        for name, is_data in _asked(permission)
        if any(each.allows(name, is_data=is_data) for each in denial.denied)
    )


def matches(pattern: str, name: str) -> bool:
    """Tell whether an action's name matches a pattern; case does not count. In linear time: each part is found once.

    A `*` between two slashes may stand for no part: role Managed Identity Operator, whose action is
    userAssignedIdentities/*/assign/action, grants userAssignedIdentities/assign/action.
    """
    return _fits(pattern, name) or ("/*/" in pattern and _fits(pattern.replace("/*/", "/"), name))


def _fits(pattern: str, name: str) -> bool:
    first, *others = pattern.lower().split("*")
    text = name.lower()
    if not others:
        return first == text
    last = others.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in others:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _asked(permission: Permission) -> list[tuple[str, bool]]:
    return [(name, False) for name in permission.actions] + [(name, True) for name in permission.data_actions]


def _any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _texts(item: object, name: str) -> tuple[str, ...]:
    values = member(item, name)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise azure.ARM_ANSWER_UNCLEAR.error(f"{name} of a permission is no list of texts")
    return tuple(values)


def _ids(values: object, *, of: str = "") -> frozenset[str]:
    """Return the ids of principals in small letters. `of` limits them to one type, "" for all."""
    if values is None:
        return frozenset()
    chosen = [each for each in values if not of or member(each, "type") == of] if isinstance(values, list) else [None]
    ids = [member(value, "id") for value in chosen]
    if not all(isinstance(each, str) for each in ids):
        raise azure.ARM_ANSWER_UNCLEAR.error("a deny assignment's principals have no ids")
    return frozenset(str(each).lower() for each in ids)
