"""The words for a component's health in table Components, and the limit of its streak."""

from typing import get_args

from runbook_lib.release.model import HealthState

HEALTH_STATES: tuple[HealthState, ...] = get_args(HealthState)
# The health of a component that was never probed.
UNKNOWN: HealthState = "unknown"
# Every threshold is lower (runbook_lib.health.policy). A whole number in a table can hold it.
STREAK_LIMIT = 1_000_000
