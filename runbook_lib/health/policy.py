"""The thresholds of health in the component registry: policy `healthPolicies` in table Policies.

An operator may change them there. Each column is a whole number from 1 to MAX_IN_A_ROW.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from runbook_lib.component_registry.policies import PARTITION, POLICIES, read_policy
from runbook_lib.component_registry.schema import Row
from runbook_lib.health.rules import HealthPolicy

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

ROW = "healthPolicies"
# With one check an hour, a higher threshold would show an outage after days.
MAX_IN_A_ROW = 100


def read_health_policy(tables: "TableServiceClient") -> tuple[HealthPolicy | None, str]:
    """Return the recorded policy, None if there is none, and a warning, "" if there is none.

    The default is used if none is recorded, or if a recorded number is out of bounds.
    """
    return read_policy(tables, ROW, _policy, HealthPolicy())


def health_policy_row(policy: HealthPolicy) -> Row:
    """Return the row that records a policy."""
    return Row(table=POLICIES, partition=PARTITION, name=ROW, columns=asdict(policy))


def _policy(entity: Mapping[str, Any]) -> HealthPolicy | None:
    values = {item.name: entity.get(item.name) for item in fields(HealthPolicy)}
    numbers = {name: value for name, value in values.items() if type(value) is int and 1 <= value <= MAX_IN_A_ROW}
    if numbers != values or numbers["failures_to_degraded"] > numbers["failures_to_unhealthy"]:
        return None
    return HealthPolicy(**numbers)
