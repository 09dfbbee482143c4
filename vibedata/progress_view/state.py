"""The state of a long command. It follows from the events. Pure.

Times are seconds of a clock that never runs backwards (runbook_lib.basics.clock.Clock.monotonic).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.engine import Progress
from vibedata.progress_view import events as e
from vibedata.progress_view.job_lines import WARNING, JobProgress, kind_of_line

# The usual statuses of a job before its end. Automation has other statuses, too
# (docs/azure-facts.md#runbooks-and-jobs). The view shows those to a person at once.
STARTING = ("New", "Queued", "Activating", "Starting")
RUNNING = "Running"
# The statuses of a step that has not begun, and of the present step.
COMING, GOES_ON = "", "running"
# The status of a step after another step interrupted it. It will be done once more.
BROKEN_OFF = "broken off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that a step has started.

    Attributes:
        runbook: The runbook's name.
        job_id: The job's id, "" as long as Automation has not confirmed it.
        status: The last status that Automation showed.
        since: The time since which the job has this status.
    """

    runbook: str
    job_id: str = ""
    status: str = ""
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The changes of one action.

    Attributes:
        name: The action.
        ended: How many of them have ended.
        total: How many there are.
        since: The time since which the command makes these changes, None if it does not make them now.
    """

    name: str
    ended: int
    total: int
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        name: The step's name.
        is_job: Whether Automation runs it.
        status: COMING, GOES_ON, or how it ended.
        began: When it began.
        seconds: How long it took.
        changed: How many changes it made.
        job: Its present job, None for none.
        lost_job: Whether an earlier job of the step was not seen to end, because nobody could look at it any more.
        kinds: Its changes, by action.
        progress: The progress of its changes.
        job_progress: The progress of its job.
        waits: The words about what it waits for, "" if it has not said so.
    """

    name: str
    is_job: bool
    status: str = COMING
    began: float = 0.0
    seconds: float = 0.0
    changed: int = 0
    job: Job | None = None
    lost_job: bool = False
    kinds: tuple[Kind, ...] = ()
    progress: Progress | None = None
    job_progress: JobProgress | None = None
    waits: str = ""

    @property
    def has_open_job(self) -> bool:
        """Whether a job of the step may still run."""
        return self.lost_job or self.job is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning, and the number of times that it came."""

    text: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The whole state.

    Attributes:
        title: The instance, and what the command does to it.
        began: When the command began.
        steps: The steps, in their order.
        warnings: The different warnings so far.
        repeats: Whether the last warning had come before.
    """

    title: str
    began: float
    steps: tuple[Step, ...] = ()
    warnings: tuple[Warned, ...] = ()
    repeats: bool = False

    @property
    def current(self) -> Step | None:
        """The step that runs."""
        return next((step for step in reversed(self.steps) if step.status == GOES_ON), None)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that stays. `in_view` says that a redrawn view shows the same, so the line need not be written there."""

    text: str
    in_view: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """The state after an event, and the new lines to write."""

    state: State
    lines: Sequence[Line] = field(default_factory=tuple)


def fold(state: State, event: e.Event, now: float) -> Next:
    """Return the state and the lines after an event. `now` is the time of the event."""
    if isinstance(event, e.StepsPlanned):
        return _planned(state, event)
    if isinstance(event, e.StepBegan):
        return _began(state, event, now)
    if isinstance(event, e.Said):
        return _said(state, event.line)
    step = state.current
    return _outside(state, event) if step is None else _in_step(state, step, event, now)


def duration(seconds: float) -> str:
    """Return a time for people: `40 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = int(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _outside(state: State, event: e.Event) -> Next:
    """Show an event outside of a step without changing the state."""
    return _said(state, f"{event.runbook}: {event.line}") if isinstance(event, e.JobLine) else Next(state)


def _in_step(state: State, step: Step, event: e.Event, now: float) -> Next:
    if isinstance(event, e.JobLine):
        return _job_line(state, step, event)
    if isinstance(event, e.Waiting):
        return Next(_with(state, replace(step, waits=event.what)), (Line(f"{step.name}: {event.what}", in_view=True),))
    if isinstance(event, e.JobSeen):
        return _job_seen(state, step, event, now)
    if isinstance(event, e.StepEnded):
        ended = replace(_over(step, event.status, now), changed=event.changed)
        words = f"{step.name}: {event.status}" + (f", {event.changed} changed" if event.changed else "")
        return Next(_with(state, ended), (Line(f"{words}, {duration(ended.seconds)}", in_view=True),))
    return Next(_with(state, _changed(step, event, now)))


def _over(step: Step, status: str, now: float) -> Step:
    return replace(step, status=status, seconds=now - step.began, job=None, kinds=(), waits="")


def _planned(state: State, event: e.StepsPlanned) -> Next:
    begun = tuple(step for step in state.steps if step.status != COMING)
    return Next(replace(state, steps=begun + tuple(Step(name=s.name, is_job=s.is_job) for s in event.steps)))


def _began(state: State, event: e.StepBegan, now: float) -> Next:
    """Begin a step. A step that was not planned, or that is repeated, is put in front of the coming steps."""
    name = event.name
    known = next((step for step in state.steps if step.name == name), None)
    coming = next((step for step in state.steps if step.name == name and step.status == COMING), None)
    begun = Step(name=name, is_job=known is not None and known.is_job, status=GOES_ON, began=now)
    others = [
        _over(step, BROKEN_OFF, now) if step.status == GOES_ON else step for step in state.steps if step is not coming
    ]
    place = next((index for index, step in enumerate(others) if step.status == COMING), len(others))
    if coming is not None:
        place = state.steps.index(coming)
    steps = (*others[:place], begun, *others[place:])
    return Next(replace(state, steps=steps), () if event.known else (Line(f"{name}: begins", in_view=True),))


def _said(state: State, line: str) -> Next:
    if not line.startswith(WARNING):
        return Next(state, (Line(line),))
    return _warned(state, "", line.removeprefix(WARNING))


def _warned(state: State, source: str, text: str) -> Next:
    """Show a warning. A warning that came before is only counted, together with its further, indented lines."""
    if text.startswith("  ") and state.warnings:
        return Next(state) if state.repeats else Next(state, (Line(f"{source}{WARNING}{text}"),))
    known = next((warned for warned in state.warnings if warned.text == text), None)
    if known is not None:
        counted = replace(known, times=known.times + 1)
        warnings = tuple(counted if each is known else each for each in state.warnings)
        return Next(replace(state, warnings=warnings, repeats=True))
    added = replace(state, warnings=(*state.warnings, Warned(text=text, times=1)), repeats=False)
    return Next(added, (Line(f"{source}{WARNING}{text}"),))


def _job_line(state: State, step: Step, event: e.JobLine) -> Next:
    kind, progress = kind_of_line(event.runbook, event.line)
    if progress is not None:
        total = step.job_progress.total if step.job_progress is not None and progress.total is None else progress.total
        return Next(_with(state, replace(step, job_progress=replace(progress, total=total))))
    if kind == "idle":
        return Next(state)
    if kind == "warning":
        return _warned(state, f"{event.runbook}: ", event.line.removeprefix(WARNING))
    return Next(state, (Line(f"{event.runbook}: {event.line}"),))


def _job_seen(state: State, step: Step, event: e.JobSeen, now: float) -> Next:
    former = step.job
    same = former is not None and (former.job_id, former.status) == (event.job_id, event.status)
    since = former.since if former is not None and same else now
    if former is not None and not former.job_id and event.status in STARTING:
        since = former.since  # the time of the request counts
    job = None if event.ended else Job(runbook=event.runbook, job_id=event.job_id, status=event.status, since=since)
    after = _with(state, replace(step, job=job))
    if former is None or former.job_id != event.job_id:
        return Next(after, (Line(f"{event.runbook}: job {event.job_id}"),))
    if not same and not event.ended and event.status not in (*STARTING, RUNNING):
        return Next(after, (Line(f"{event.runbook}: the job is {event.status}"),))
    return Next(after)


def _changed(step: Step, event: e.Event, now: float) -> Step:
    if isinstance(event, e.JobAsked):
        asked = Job(runbook=event.runbook, since=now)
        return replace(step, is_job=True, job=asked, lost_job=step.has_open_job, job_progress=None, waits="")
    if isinstance(event, e.ChangesPlanned):
        kinds = tuple(Kind(name=action, ended=0, total=total) for action, total in event.counts.items())
        return replace(step, kinds=_under_way(kinds, now), waits="")
    if isinstance(event, e.ChangeEnded):
        return replace(step, kinds=_under_way(_after_change(step.kinds, event), now))
    if isinstance(event, e.ChangesCounted):
        return replace(step, progress=event.progress)
    raise TypeError(f"an event of a kind that no step knows: {event!r}")


def _after_change(kinds: Sequence[Kind], event: e.ChangeEnded) -> tuple[Kind, ...]:
    """Count a change that ended.

    The changes that replace it run next, before later stages. A replaced change is not counted any more.
    """
    replaced = event.outcome == "replaced"
    left = [
        replace(kind, ended=kind.ended + (not replaced), total=kind.total - replaced)
        if kind.name == event.action
        else kind
        for kind in kinds
    ]
    for action, count in event.instead.items():
        known = next((index for index, kind in enumerate(left) if kind.name == action), None)
        if known is None:
            left.insert(0, Kind(name=action, ended=0, total=count))
        else:
            left[known] = replace(left[known], total=left[known].total + count, since=None)
    return tuple(left)


def _under_way(kinds: Sequence[Kind], now: float) -> tuple[Kind, ...]:
    """Mark the first kind that has not ended as the one that the command works on."""
    first = next((kind for kind in kinds if kind.ended < kind.total), None)
    return tuple(replace(kind, since=now) if kind is first and kind.since is None else kind for kind in kinds)


def _with(state: State, step: Step) -> State:
    current = state.current
    return replace(state, steps=tuple(step if each is current else each for each in state.steps))
