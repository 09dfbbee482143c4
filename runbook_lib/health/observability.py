"""Check that somebody would hear of a failure: the log takes events, alert rules are on, and they lead to somebody.

The result is recorded like a component's health, in partition OBSERVABILITY of table Components. This does not prove
that an accepted event arrives in the table (its rule may drop it), or that a message reaches a person.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError
from runbook_lib.health.rules import Observation
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.mgmt.monitor import MonitorManagementClient

LOG, RULES, GROUPS, SCHEDULE = "operations-log", "alert-rules", "action-groups", "schedule"
# Kinds of receivers of an action group (REST reference, Action Groups, 2023-01-01).
RECEIVERS = (
    "email_receivers",
    "sms_receivers",
    "webhook_receivers",
    "itsm_receivers",
    "azure_app_push_receivers",
    "automation_runbook_receivers",
    "voice_receivers",
    "logic_app_receivers",
    "azure_function_receivers",
    "arm_role_receivers",
    "event_hub_receivers",
)
UNSUBSCRIBED = "Disabled"
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A metric alert or scheduled query rule. `groups` are the ids of its action groups, in small letters."""

    name: str
    enabled: bool
    groups: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionGroup:
    """An action group. `receivers` is the number of receivers, without those that have unsubscribed."""

    group_id: str
    name: str
    enabled: bool
    receivers: int

    @property
    def routes(self) -> bool:
        """Whether a message to it reaches anybody."""
        return self.enabled and self.receivers > 0


def read_alert_rules(monitor: "MonitorManagementClient", resource_group: str) -> tuple[AlertRule, ...]:
    """Return the metric alerts and the scheduled query rules of a resource group. Raises azure.core's errors."""
    metric = (
        AlertRule(
            name=str(rule.name),
            enabled=bool(rule.enabled),
            groups=_ids(action.action_group_id for action in rule.actions or ()),
        )
        for rule in bounded(monitor.metric_alerts.list_by_resource_group(resource_group), target="metric alerts")
    )
    queries = (
        AlertRule(
            name=str(rule.name),
            # A scheduled query rule that does not say whether it is on is on.
            enabled=rule.enabled is not False,
            groups=_ids(rule.actions.action_groups or () if rule.actions else ()),
        )
        for rule in bounded(monitor.scheduled_query_rules.list_by_resource_group(resource_group), target="query rules")
    )
    return (*metric, *queries)


def read_action_groups(monitor: "MonitorManagementClient", resource_group: str) -> tuple[ActionGroup, ...]:
    """Return the action groups of a resource group. Raises azure.core's errors."""
    return tuple(
        ActionGroup(
            group_id=str(group.id).lower(),
            name=str(group.name),
            enabled=group.enabled is not False,
            receivers=sum(_listens(receiver) for kind in RECEIVERS for receiver in getattr(group, kind) or ()),
        )
        for group in bounded(monitor.action_groups.list_by_resource_group(resource_group), target="action groups")
    )


def judge_rules(rules: Sequence[AlertRule], groups: Sequence[ActionGroup]) -> Observation:
    """Return whether every rule is on and leads to an action group that reaches somebody. Pure."""
    if not rules:
        return Observation("down", "there is no alert rule in the managed resource group")
    off = [rule.name for rule in rules if not rule.enabled]
    if off:
        return Observation("down" if len(off) == len(rules) else "impaired", f"switched off: {_names(off)}")
    routing = {group.group_id for group in groups if group.routes}
    silent = [rule.name for rule in rules if not rule.groups & routing]
    if silent:
        return Observation(
            "down" if len(silent) == len(rules) else "impaired", f"nobody gets the alerts of: {_names(silent)}"
        )
    return Observation("answers")


def judge_groups(groups: Sequence[ActionGroup]) -> Observation:
    """Return whether the action groups pass messages on. Pure."""
    if not groups:
        return Observation("down", "there is no action group in the managed resource group")
    broken = [
        f"{group.name} ({'switched off' if not group.enabled else 'nobody receives it'})"
        for group in groups
        if not group.routes
    ]
    if broken:
        return Observation("down" if len(broken) == len(groups) else "impaired", _names(broken))
    return Observation("answers")


def look_at_observability(
    monitor: "MonitorManagementClient", resource_group: str, log_failure: str | None
) -> Mapping[str, Observation]:
    """Return the observations, by name. `log_failure` says why the log took no events, "" if it did."""
    seen: dict[str, Observation] = {}
    if log_failure is None:
        seen[LOG] = Observation("not_reached", "a run that only plans sends no event")
    else:
        seen[LOG] = Observation("fails", log_failure) if log_failure else Observation("answers")
    groups: tuple[ActionGroup, ...] = ()

    def look_at_groups() -> Observation:
        nonlocal groups
        groups = read_action_groups(monitor, resource_group)
        return judge_groups(groups)

    seen[GROUPS] = readable(look_at_groups)
    seen[RULES] = readable(lambda: judge_rules(read_alert_rules(monitor, resource_group), groups))
    return seen


def readable(look: Callable[[], Observation]) -> Observation:
    """Return the result of `look`. If the service cannot be read, this is an illness, and the run does not fail."""
    try:
        return look()
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        return Observation("fails", f"cannot be read: {_told(named)}")


def _told(error: RunbookError) -> str:
    return f"{error.code}: {error.message}"


def _ids(values: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(value).lower() for value in values)


def _listens(receiver: Any) -> bool:
    return str(getattr(receiver, "status", None) or "") != UNSUBSCRIBED


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(sorted(names)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
