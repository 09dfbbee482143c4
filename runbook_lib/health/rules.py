"""Decide a component's health from its probe, its former health, and the components that it depends on. Pure.

1. Hysteresis. One failed probe makes a component degraded, some failures in a row make it unhealthy, and some successes
   in a row make it healthy again: one slow answer is not an outage, and one good answer is not a recovery. A certain
   fact (its resource is gone, Azure itself says that it is unavailable) counts at once.
2. Rollup. A component that is well by itself, but depends on an unhealthy one, directly or through others, is degraded.
   Its reason names the unhealthy one. A component that is only degraded does not affect others: otherwise one slow
   answer would affect everything.
3. No decision uses the time of day, so a clock that jumps makes nothing ill or well.

Health states: unknown (nothing is known, or nothing can be probed), healthy, degraded, unhealthy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from runbook_lib.basics.redaction import whole_words
from runbook_lib.component_registry.health_states import STREAK_LIMIT
from runbook_lib.release.model import HealthState

# What a probe saw. answers: all is well. fails: a failure that may pass. impaired: Azure says that it works, but not
# fully, or that it is being changed. down: it certainly does not work. unprobed: nothing could be probed. not_reached:
# there was no time.
Sight = Literal["answers", "fails", "impaired", "down", "unprobed", "not_reached"]
# A property of a table can hold far more, but a person reads no more.
REASON_LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """How many probes in a row decide: whole numbers from 1, `failures_to_degraded` <= `failures_to_unhealthy`."""

    failures_to_degraded: int = 1
    failures_to_unhealthy: int = 3
    successes_to_healthy: int = 2


@dataclass(frozen=True, slots=True)
class Observation:
    """What a probe saw, and the reason for people, "" if all is well and there is nothing to tell."""

    sight: Sight
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OwnHealth:
    """The health of a component itself. `streak` counts successes in a row, or, below 0, failures in a row."""

    state: HealthState = "unknown"
    streak: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A component's health. `state` and `reason` include its dependencies, and `own` does not."""

    state: HealthState
    reason: str
    own: OwnHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A component's health has changed."""

    target: str
    before: HealthState
    after: HealthState
    reason: str

    def __str__(self) -> str:
        """Return a sentence for an administrator."""
        why = f": {self.reason}" if self.reason else "."
        return f"{self.target} is {self.after} now, and was {self.before}{why}"


def next_own_health(before: OwnHealth, seen: Observation, policy: HealthPolicy) -> OwnHealth:
    """Return the health of a component itself after one more probe (rule 1 of the module)."""
    if seen.sight == "not_reached":
        return OwnHealth(before.state, before.streak, seen.reason)
    if seen.sight == "unprobed":
        return OwnHealth("unknown", 0, seen.reason)
    if seen.sight == "impaired":
        return OwnHealth("degraded", 0, seen.reason)
    return _after_success(before, seen, policy) if seen.sight == "answers" else _after_failure(before, seen, policy)


def _after_failure(before: OwnHealth, seen: Observation, policy: HealthPolicy) -> OwnHealth:
    streak = max(min(before.streak, 0) - 1, -STREAK_LIMIT)
    reason = seen.reason + (f" ({-streak} in a row)" if streak < -1 else "")
    if seen.sight == "down" or before.state == "unhealthy" or -streak >= policy.failures_to_unhealthy:
        return OwnHealth("unhealthy", streak, reason)
    if before.state == "healthy" and -streak < policy.failures_to_degraded:
        return OwnHealth("healthy", streak, "")
    return OwnHealth("degraded", streak, reason)


def _after_success(before: OwnHealth, seen: Observation, policy: HealthPolicy) -> OwnHealth:
    streak = min(max(before.streak, 0) + 1, STREAK_LIMIT)
    if before.state in ("healthy", "unknown") or streak >= policy.successes_to_healthy:
        return OwnHealth("healthy", streak, seen.reason)
    reason = f"answers again ({streak} of {policy.successes_to_healthy} good checks in a row)"
    return OwnHealth(before.state, streak, reason)


def roll_up(own: Mapping[str, OwnHealth], depends_on: Mapping[str, Iterable[str]]) -> dict[str, Health]:
    """Return every component's health, by name (rule 2 of the module).

    `own` has the health of each component itself, by name. `depends_on` has the names that each needs. A name that is
    not in `own` is ignored, and a circle ends at a component that was visited before.
    """
    reasons = _reasons(own, depends_on)
    return {
        name: Health(
            state="degraded" if name in reasons else known.state,
            reason=reasons.get(name) or whole_words(known.reason, REASON_LIMIT),
            own=known,
        )
        for name, known in own.items()
    }


def _reasons(own: Mapping[str, OwnHealth], depends_on: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return a reason for each component that suffers from an unhealthy one. It names the nearest one.

    One search starts at all unhealthy components together. It reads each dependency once, however many there are.
    """
    needed_by: dict[str, list[str]] = {}
    for name, needed in depends_on.items():
        for need in needed:
            needed_by.setdefault(need, []).append(name)
    causes = {name: name for name in sorted(own) if own[name].state == "unhealthy"}
    reasons = {}
    met = list(causes)
    for need in met:  # the search adds to it
        for name in needed_by.get(need, ()):
            if name in own and name not in causes:
                met.append(name)
                cause = causes[name] = causes[need]
                if own[name].state in ("healthy", "unknown"):
                    through = "" if need == cause else f" (through {need})"
                    reasons[name] = f"depends on {cause}, which is unhealthy{through}"
    return reasons


def transitions(before: Mapping[str, HealthState], after: Mapping[str, Health]) -> tuple[Transition, ...]:
    """Return the changes of health. The former health of a new target is unknown."""
    return tuple(
        Transition(target=target, before=before.get(target, "unknown"), after=now.state, reason=now.reason)
        for target, now in sorted(after.items())
        if before.get(target, "unknown") != now.state
    )
