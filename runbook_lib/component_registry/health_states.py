"""The words for a component's health in table Components, and the bound of its streak."""

from typing import Literal, get_args

State = Literal["unknown", "healthy", "degraded", "unhealthy"]
STATES: tuple[State, ...] = get_args(State)
# Of a component that nobody has probed yet.
UNKNOWN: State = "unknown"
# No threshold is as high (runbook_lib.health.policy), and a table's whole number holds it.
STREAK_LIMIT = 1_000_000
