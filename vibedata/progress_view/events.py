"""The events of a long command. The view is told of each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.change import Plan, Result
from runbook_lib.engine import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step that will come. `is_job` says whether Automation runs it."""

    name: str
    is_job: bool


@dataclass(frozen=True, slots=True)
class StepsPlanned:
    """These steps will come, in this order."""

    steps: Sequence[PlannedStep]


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins. The step before it has ended.

    `known` says that it began earlier, so the view shows no line about it.
    """

    name: str
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """The present step has ended. `changed` is the number of changes."""

    status: str
    changed: int


@dataclass(frozen=True, slots=True)
class JobAsked:
    """The command asks Automation for a job of a runbook.

    The job's id is not known yet, but the job may have begun already.
    """

    runbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A job as Automation shows it. `ended` says whether its status is final."""

    runbook: str
    job_id: str
    status: str
    ended: bool


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a job's streams. The name of the stream comes first, except for plain output."""

    runbook: str
    line: str


@dataclass(frozen=True, slots=True)
class ChangesPlanned:
    """This command itself will now make changes.

    `counts` has the number of changes of each action, in the order of the stages.
    """

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEnded:
    """One of these changes has ended. `instead` has the number of changes of each action that replace it."""

    action: str
    outcome: str
    instead: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangesCounted:
    """The progress of these changes."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Waiting:
    """The step waits for something outside.

    `what` says for what and why. The view shows it until the step's next event.
    """

    what: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for the person who watches. A sentence that begins with `WARNING: ` is a warning."""

    line: str


Event = (
    StepsPlanned
    | StepBegan
    | StepEnded
    | JobAsked
    | JobSeen
    | JobLine
    | ChangesPlanned
    | ChangeEnded
    | ChangesCounted
    | Waiting
    | Said
)


def planned(plan: Plan) -> ChangesPlanned:
    """Return the event that a plan will now be carried out."""
    return ChangesPlanned(_counts([change.action for change in sorted(plan.changes, key=lambda each: each.stage)]))


def ended(result: Result) -> ChangeEnded:
    """Return the event that a change has ended."""
    instead = _counts([change.action for change in result.instead])
    return ChangeEnded(action=result.change.action, outcome=result.outcome, instead=instead)


def _counts(actions: Sequence[str]) -> Mapping[str, int]:
    return {action: actions.count(action) for action in dict.fromkeys(actions)}
