"""The state of a long command, as it follows from what happened. Pure.

Times are seconds of a clock that never runs backwards (runbook_lib.basics.clock.Clock.monotonic).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.engine import Progress
from vibedata.progress_view import events as e
from vibedata.progress_view.job_lines import WARNING, JobProgress, kind_of_line

# Statuses in which a job is on its way, or at work. Automation shows others (docs/azure-facts.md#runbooks-and-jobs),
# and of those a person is told at once.
STARTING = ("New", "Queued", "Activating", "Starting")
RUNNING = "Running"
# Steps that this command has not begun.
COMING, GOES_ON = "", "running"
# Of a step that another one came in between: it comes once more.
BROKEN_OFF = "broken off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that a step has started. job_id: "" as long as Automation has not confirmed it. since: of the status."""

    runbook: str
    job_id: str = ""
    status: str = ""
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How many changes of one action there are, and have ended. since: that is what is being done; None: it is not."""

    name: str
    ended: int
    total: int
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. status: COMING, GOES_ON, or how it ended. waits: for what, in words, "" for nothing that it told."""

    name: str
    is_job: bool
    status: str = COMING
    began: float = 0.0
    seconds: float = 0.0
    changed: int = 0
    job: Job | None = None
    kinds: tuple[Kind, ...] = ()
    progress: Progress | None = None
    job_progress: JobProgress | None = None
    waits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning, and how often it came."""

    text: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The whole. title: whose instance it is, and what is done to it. repeats: the last warning was there before."""

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
    """A line that stays. in_view: a view that is redrawn shows the same, so there it need not be written."""

    text: str
    in_view: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """The state after an event, and what it adds to what was written."""

    state: State
    lines: Sequence[Line] = field(default_factory=tuple)


def fold(state: State, event: e.Event, now: float) -> Next:
    """Return what follows from an event at `now`."""
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
    """What comes outside of a step is shown as it is: there is no step whose state it could be."""
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
    """A step that was not planned, or that is done once more, is put in front of those that are to come."""
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
    """A warning that was there before is counted and not shown again, nor are its further lines, which are indented."""
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
        since = former.since  # it was asked for then
    job = None if event.ended else Job(runbook=event.runbook, job_id=event.job_id, status=event.status, since=since)
    after = _with(state, replace(step, job=job))
    if former is None or former.job_id != event.job_id:
        return Next(after, (Line(f"{event.runbook}: job {event.job_id}"),))
    if not same and not event.ended and event.status not in (*STARTING, RUNNING):
        return Next(after, (Line(f"{event.runbook}: the job is {event.status}"),))
    return Next(after)


def _changed(step: Step, event: e.Event, now: float) -> Step:
    if isinstance(event, e.JobAsked):
        return replace(step, is_job=True, job=Job(runbook=event.runbook, since=now), job_progress=None, waits="")
    if isinstance(event, e.ChangesPlanned):
        kinds = tuple(Kind(name=action, ended=0, total=total) for action, total in event.counts.items())
        return replace(step, kinds=_under_way(kinds, now), waits="")
    if isinstance(event, e.ChangeEnded):
        return replace(step, kinds=_under_way(_after_change(step.kinds, event), now))
    if isinstance(event, e.ChangesCounted):
        return replace(step, progress=event.progress)
    raise TypeError(f"an event of a kind that no step knows: {event!r}")


def _after_change(kinds: Sequence[Kind], event: e.ChangeEnded) -> tuple[Kind, ...]:
    """What replaces a change runs next, before later stages. What was replaced no longer counts."""
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
    """The first kind that has not ended is what is being done."""
    first = next((kind for kind in kinds if kind.ended < kind.total), None)
    return tuple(replace(kind, since=now) if kind is first and kind.since is None else kind for kind in kinds)


def _with(state: State, step: Step) -> State:
    current = state.current
    return replace(state, steps=tuple(step if each is current else each for each in state.steps))
