"""The unfinished rotations of all instances: find them, and tell the outcome of each. All pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from publisher.instances.document import Instance
from publisher.rotation.plan import RotationRequest
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from vibedata.status.facts import age
from vibedata.terminal import told

# waits: it is too early to finish the rotation, or the rotation waits again. interrupted: a person has ended the
# command during this rotation. not begun: a person has ended the command before it came to this rotation.
Outcome = Literal["finished", "waits", "failed", "planned", "interrupted", "not begun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An unfinished rotation. command: the command that continues it."""

    instance: Instance
    command: str
    rotation: Rotation

    @property
    def due(self) -> datetime | None:
        """When the rotation may be finished. None means at once: it stopped before the new credential was in use."""
        rotation = self.rotation
        if not rotation.promoted_at:
            return None
        return from_rfc3339(rotation.promoted_at) + timedelta(seconds=self._overlap)

    def may_go_on(self, at: datetime) -> bool:
        """Whether there is something to do at `at`."""
        return self.due is None or self.due <= at

    @property
    def request(self) -> RotationRequest:
        """The request that continues this rotation and begins no other one."""
        return RotationRequest(only=self.rotation.rotation_id, overlap_seconds=self._overlap)

    @property
    def _overlap(self) -> int:
        # The person who began the rotation may want a longer overlap. Nobody is asked here, so the longer one counts.
        return 0 if self.rotation.emergency else max(OVERLAP_SECONDS, self.rotation.overlap_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The outcome of a rotation. error: why it failed. next: when to continue, None if it does not wait."""

    waiting: Waiting
    outcome: Outcome
    error: RunbookError | None = None
    next: datetime | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return the outcome for programs."""
        rotation = self.waiting.rotation
        return {
            "instance": self.waiting.instance.id,
            "display_name": self.waiting.instance.display_name,
            "command": self.waiting.command,
            "rotation_id": rotation.rotation_id,
            "customer": rotation.customer,
            "due": rfc3339(self.waiting.due) if self.waiting.due else None,
            "status": self.outcome,
            "next": rfc3339(self.next) if self.next else None,
            "error": self.error.as_json() if self.error else None,
        }

    def cells(self, at: datetime) -> tuple[str, ...]:
        """Return the outcome as a row for people. `at` is the present time."""
        due = self.next or self.waiting.due
        when = "now" if due is None or due <= at else f"{due:%Y-%m-%d %H:%M} UTC, {age(due, at)}"
        if self.outcome == "finished":
            when = "-"
        result = f"{self.error.code}: {self.error.message}" if self.error else self.outcome
        # A job may be changing the state of an interrupted rotation.
        state = "unknown" if self.outcome == "interrupted" else self.waiting.rotation.customer
        return (self.waiting.instance.display_name, self.waiting.command, state, when, result)


COLUMNS = ("instance", "finished by", "state", "may go on", "result")


def what_to_do(ended: Iterable[Ended], troubles: Iterable[RunbookError]) -> str:
    """Return the lines that say what to do about each failure, and about each row that could not be read."""
    places = [(f"{each.waiting.instance.display_name}, {each.waiting.command}", each.error) for each in ended]
    return failure_lines(places, troubles)


def failure_lines(places: Iterable[tuple[str, RunbookError | None]], troubles: Iterable[RunbookError]) -> str:
    """Return the lines that say what to do about failures.

    Args:
        places: The name of each place, and the error there, None for no failure.
        troubles: The errors of the rows that could not be read.
    """
    failures = [*places, *(("not read", error) for error in troubles)]
    lines = [
        f"  - {told(where)}: {told(f'{error.code}: {error.message}')}\n    what to do: {told(error.remedy)}\n"
        for where, error in failures
        if error is not None
    ]
    return "".join(lines)


def refusal(waiting: Waiting) -> RunbookError | None:
    """Return why `vibedata rotate --due` cannot finish this rotation, None if it can."""
    if not waiting.rotation.overtaken:
        return None
    line = f"vibedata {waiting.command} --instance {waiting.instance.id}"
    return publisher.OVERTAKEN.error(
        f"another credential came into use: `{line}` begins another rotation",
        target=waiting.rotation.rotation_id,
        remedy=f"Run `{line}`: it begins another rotation. `vibedata rotate --due` begins none.",
    )
