"""What happens during a long command, as the view is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.change import Plan, Result
from runbook_lib.engine import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step that is to come. is_job: Automation runs it."""

    name: str
    is_job: bool


@dataclass(frozen=True, slots=True)
class StepsPlanned:
    """These steps are to come, in this order."""

    steps: Sequence[PlannedStep]


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins. The one before it, if any, has ended. known: it began before, and nobody needs to be told."""

    name: str
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """The step that runs has ended. changed: the number of changes."""

    status: str
    changed: int


@dataclass(frozen=True, slots=True)
class JobAsked:
    """Automation is asked for a job of a runbook. Its id is not known yet, and it may have begun all the same."""

    runbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A job as Automation shows it. ended: the status is final."""

    runbook: str
    job_id: str
    status: str
    ended: bool


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a job's streams, with the stream's name in front unless it is plain output."""

    runbook: str
    line: str


@dataclass(frozen=True, slots=True)
class ChangesPlanned:
    """This command itself is about to make changes. counts: how many of each action, in the order of the stages."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEnded:
    """One of these changes has ended. instead: how many of each action come in its place."""

    action: str
    outcome: str
    instead: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangesCounted:
    """How far these changes are."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Waiting:
    """The step waits for something outside. what: what it is and why; it is shown until the next event of the step."""

    what: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for whoever watches. One that begins with `WARNING: ` is a warning."""

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
    """Return the event that a plan is about to be carried out."""
    return ChangesPlanned(_counts([change.action for change in sorted(plan.changes, key=lambda each: each.stage)]))


def ended(result: Result) -> ChangeEnded:
    """Return the event that a change has ended."""
    instead = _counts([change.action for change in result.instead])
    return ChangeEnded(action=result.change.action, outcome=result.outcome, instead=instead)


def _counts(actions: Sequence[str]) -> Mapping[str, int]:
    return {action: actions.count(action) for action in dict.fromkeys(actions)}
