"""The words for a component's health in table Components, and the limit of its streak."""

from typing import Literal, get_args

State = Literal["unknown", "healthy", "degraded", "unhealthy"]
STATES: tuple[State, ...] = get_args(State)
# Every threshold is lower (runbook_lib.health.policy), and a table's whole number can hold it.
STREAK_LIMIT = 1_000_000
