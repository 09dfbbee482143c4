"""The one way to change anything: make the change, read the target back, and trust only the read.

1. The stages run in order. The changes of one stage run side by side, each in a thread.
2. After its action's `make`, `see` reads a change back. The change is done if the result equals `change.after`, and
   only then.
3. `see` also runs if `make` failed. A write may have been carried out although its answer was lost, and only a read
   shows this. If the change is not there, and the answer was lost or did not say what happened (500, 502, 503, 504),
   the change is made again, within the network retry policy. Any other failure is final, because a repeated request
   would be refused again.
4. A failure does not affect the other changes of its stage. Later stages are skipped. Every failure is reported.
5. An action may have another way: the changes that it names to replace a failed change run next, in their stages.
6. After a stop, the changes that have begun get a limited time to end. Nothing new begins.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from runbook_lib.basics.clock import Clock
from runbook_lib.change import Action, Change, Outcome, Plan, Result
from runbook_lib.errors import RunbookError
from runbook_lib.errors import run as run_errors
from runbook_lib.network.retry import NetworkRetryPolicy, PolicySource, may_have_been_carried_out
from runbook_lib.workers import Workers

# The number of changes at the same time. They wait for servers, not for a CPU: 40 imports of 6 s must take little more
# than 6 s. 64 threads with a connection each use far fewer than the 1,000 sockets that a sandbox's jobs share, and a
# burst of 64 fits into ARM's bucket of 200 writes (docs/azure-facts.md#python-and-its-limits and #arm-throttling).
MAX_PARALLEL = 64
# How often the waiting main thread checks for progress and for a stop.
TICK_SECONDS = 0.25
# How long changes may take to end after a stop. Automation does not say how long a stopped job has.
STOP_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of the run, as numbers of changes of the whole plan."""

    done: int
    failed: int
    in_flight: int
    total: int

    def __str__(self) -> str:
        """Return the line that a user reads."""
        return f"{self.done} of {self.total} done, {self.in_flight} in flight, {self.failed} failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the engine needs to make changes.

    Attributes:
        actions: One action for each kind of change.
        as_runbook_error: Turns an exception into a RunbookError. Many threads call it, once for each failed change.
        retry_policy: The network retry policy in force.
        clock: Measures durations and waits.
        stop_asked: Whether no new change may begin.
    """

    actions: Sequence[Action[Any]]
    as_runbook_error: Callable[[BaseException], RunbookError]
    retry_policy: PolicySource
    clock: Clock
    stop_asked: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        """Check that no kind of change has two actions. Raises ValueError."""
        if len({action.kind for action in self.actions}) != len(self.actions):
            raise ValueError("two actions have the same kind")

    def action_of(self, change: Change) -> Action[Any]:
        """Return the action that makes a change. Raises ValueError if there is none."""
        for action in self.actions:
            if action.kind.is_of(change):
                return action
        raise ValueError(f"no action is called {change.action!r} in stage {change.stage}")


def apply_plan(
    plan: Plan,
    work: Work,
    *,
    on_result: Callable[[Result], None],
    on_stage_end: Callable[[], None],
    on_progress: Callable[[Progress], None],
    max_parallel: int = MAX_PARALLEL,
) -> list[Result]:
    """Make the changes of `plan`.

    A change that was replaced has its result, too, before those of the changes in its place.

    Args:
        plan: What to change.
        work: How to change it.
        on_result: Called with each result as it comes. All three functions are called in the caller's thread.
        on_stage_end: Called after each stage that ran.
        on_progress: Called at least every TICK_SECONDS.
        max_parallel: How many changes run at the same time.

    Returns:
        A result for each change, also for those that failed, in the order of the stages.

    Raises:
        ValueError: A change has no action. Nothing was changed.
    """
    for change in plan.changes:
        work.action_of(change)
    results: list[Result] = []
    ordered = sorted(plan.changes, key=lambda change: change.stage)
    stages = deque(list(group) for _, group in groupby(ordered, key=lambda change: change.stage))
    total, failed = len(ordered), False
    while stages:
        stage = stages.popleft()
        if failed or work.stop_asked():
            skipped = [Result(change=change, outcome="skipped") for change in stage]
            for result in skipped:
                on_result(result)
            results += skipped
            continue
        run = _Stage(stage, work, min(max_parallel, len(stage)))
        ended = run.results(
            on_result=on_result,
            on_tick=partial(_tell_progress, on_progress, tuple(results), total),
        )
        results += ended
        failed = any(result.outcome not in ("done", "replaced") for result in results)
        instead = sorted((c for result in ended for c in result.instead), key=lambda change: change.stage)
        stages.extendleft(reversed([list(group) for _, group in groupby(instead, key=lambda change: change.stage)]))
        total += len(instead) - sum(result.outcome == "replaced" for result in ended)
        on_stage_end()
    return results


@dataclass(frozen=True, slots=True)
class _Counts:
    done: int
    failed: int
    in_flight: int


def _tell_progress(
    on_progress: Callable[[Progress], None], before: Sequence[Result], total: int, counts: _Counts
) -> None:
    outcomes = [result.outcome for result in before]
    on_progress(
        Progress(
            done=outcomes.count("done") + counts.done,
            failed=outcomes.count("failed") + counts.failed,
            in_flight=counts.in_flight,
            total=total,
        )
    )


class _Stage:
    """The changes of one stage, their worker threads and their results."""

    def __init__(self, changes: Sequence[Change], work: Work, workers: int) -> None:
        self._changes = changes
        self._work = work
        self._count = workers
        self._workers = Workers(self._make, count=len(changes), monotonic=work.clock.monotonic)

    def results(self, *, on_result: Callable[[Result], None], on_tick: Callable[[_Counts], None]) -> list[Result]:
        self._workers.start(self._count)
        ended: dict[int, Result] = {}
        stop_at: float | None = None
        while len(ended) < len(self._changes):
            arrived = self._workers.arrived(within=TICK_SECONDS)
            if arrived is not None:
                index, result = arrived
                ended[index] = result
                on_result(result)
            on_tick(self._counts(ended))
            if stop_at is None and self._work.stop_asked():
                stop_at = self._work.clock.monotonic() + STOP_GRACE_SECONDS
                self._end(self._workers.take_waiting(), "skipped", ended, on_result)
            if stop_at is not None and self._work.clock.monotonic() >= stop_at:
                self._end(sorted(set(range(len(self._changes))) - ended.keys()), "failed", ended, on_result)
        return [ended[index] for index in range(len(self._changes))]

    def _end(
        self,
        indexes: Sequence[int],
        outcome: Outcome,
        ended: dict[int, Result],
        on_result: Callable[[Result], None],
    ) -> None:
        for index in indexes:
            error = None
            if outcome == "failed":
                error = run_errors.STOPPED.error("the change had begun and had not ended; a rerun will see its result")
            ended[index] = Result(change=self._changes[index], outcome=outcome, error=error)
            on_result(ended[index])

    def _counts(self, ended: dict[int, Result]) -> _Counts:
        outcomes = [result.outcome for result in ended.values()]
        in_flight = len(self._workers.in_flight())
        return _Counts(done=outcomes.count("done"), failed=outcomes.count("failed"), in_flight=in_flight)

    def _make(self, index: int) -> Result:
        try:
            return make_change(self._changes[index], self._work)
        except BaseException as error:  # noqa: BLE001 - a result that never arrives would hold the run for ever
            fault = run_errors.UNEXPECTED.error(type(error).__name__, target=self._changes[index].target)
            return Result(change=self._changes[index], outcome="failed", error=fault)


def make_change(change: Change, work: Work) -> Result:
    """Make one change as the module's docstring says, and return its result."""
    action = work.action_of(change)
    started = work.clock.monotonic()
    attempts = 0
    while True:
        attempts += 1
        failure = _failure_of(lambda: action.make(change.subject))
        observed: str | None = None
        blind: BaseException | None = None
        try:
            observed = action.see(change.subject)
        except BaseException as error:  # noqa: BLE001 - as in _failure_of
            blind = error
        elapsed = work.clock.monotonic() - started
        if blind is None and observed == change.after:
            return Result(
                change=change,
                outcome="done",
                observed=observed,
                attempts=attempts,
                duration_ms=round(elapsed * 1000),
            )
        if failure is not None and blind is None and may_have_been_carried_out(failure) and not work.stop_asked():
            policy = work.retry_policy()
            if _may_repeat(policy, attempts, elapsed):
                work.clock.sleep(policy.delay_seconds)
                continue
        found = _error_of(change, observed, failure or blind, work)
        instead = action.instead(change.subject, found)
        return Result(
            change=change,
            outcome="replaced" if instead else "failed",
            observed=observed,
            attempts=attempts,
            duration_ms=round(elapsed * 1000),
            error=found,
            instead=instead,
        )


def _may_repeat(policy: NetworkRetryPolicy, attempts: int, elapsed: float) -> bool:
    return attempts <= policy.max_retries and elapsed + policy.delay_seconds <= policy.total_seconds


def _failure_of(attempt: Callable[[], None]) -> BaseException | None:
    try:
        attempt()
    except BaseException as error:  # noqa: BLE001 - in a worker's thread: the change's result reports each exception
        return error
    return None


def _error_of(change: Change, observed: str | None, failure: BaseException | None, work: Work) -> RunbookError:
    if failure is not None:
        return work.as_runbook_error(failure)
    return run_errors.CHANGE_NOT_SEEN.error(
        f"expected {change.after}, observed {'nothing' if observed is None else observed}",
        target=change.target,
    )
