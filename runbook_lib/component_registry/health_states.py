"""The words for a component's health in table Components, and the limit of its streak."""

from typing import get_args

from runbook_lib.release.model import HealthState

HEALTH_STATES: tuple[HealthState, ...] = get_args(HealthState)
# Of a component that nobody has probed yet.
UNKNOWN: HealthState = "unknown"
# No threshold is as high (runbook_lib.health.policy), and a table's whole number holds it.
STREAK_LIMIT = 1_000_000
