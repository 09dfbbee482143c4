"""The engine with real threads, on a small world in memory. Its changes fail in every way that a network has."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.change import Action, ActionKind, Change, Plan, Result
from runbook_lib.engine import MAX_PARALLEL, STOP_GRACE_SECONDS, Progress, Work, apply_plan
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import AnswerLost, NetworkRetryPolicy, leave_open
from runbook_lib.run.result import failure_of
from vibedata.error_catalogue import CATALOGUE

POLICY = NetworkRetryPolicy(max_retries=2, delay_seconds=2.0, total_seconds=1000.0)
# One attempt of apply: its effect, and the exception that it raises.
BEHAVIOURS = ("works", "works_answer_lost", "lost", "wrapped_lost", "open", "refused", "no_effect", "bug", "exits")
# More than any plan here.
STAGES = 5
STORY = st.lists(st.sampled_from(BEHAVIOURS), max_size=4)


class FakeClock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=timezone.utc)

    def monotonic(self) -> float:
        with self._lock:
            return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds
            self.slept.append(seconds)


@dataclass(frozen=True)
class Thing:
    """The object of a change. It must have the value `after`."""

    stage: int
    target: str
    after: str


@dataclass
class World:
    """Targets and their values. Each target has a story of its attempts, which ends in success."""

    stories: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    applied: Counter[str] = field(default_factory=Counter)
    applied_needlessly: list[str] = field(default_factory=list)
    order: list[tuple[str, int]] = field(default_factory=list)
    blind: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, change: Thing) -> None:
        with self.lock:
            self.order.append(("begin", change.stage))
            if self.held.get(change.target) == change.after:
                self.applied_needlessly.append(change.target)
            story = self.stories.get(change.target, [])
            number = self.applied[change.target]
            behaviour = story[number] if number < len(story) else "works"
            self.applied[change.target] += 1
            if behaviour.startswith("works"):
                self.held[change.target] = change.after
            self.order.append(("end", change.stage))
        self._answer(behaviour, change)

    def _answer(self, behaviour: str, change: Thing) -> None:
        if behaviour in ("works_answer_lost", "lost"):
            raise AnswerLost("connection reset")
        if behaviour == "wrapped_lost":
            raise RunbookError(CATALOGUE["VD-NET-001"], target=change.target) from AnswerLost("connection reset")
        if behaviour == "open":
            leave_open(answer := requests.Response())
            raise requests.HTTPError(response=answer)
        if behaviour == "refused":
            raise RunbookError(CATALOGUE["VD-IMPORT-001"], target=change.target)
        if behaviour == "bug":
            raise ZeroDivisionError
        if behaviour == "exits":
            raise SystemExit(7)

    def see(self, change: Thing) -> str | None:
        if change.target in self.blind:
            raise RunbookError(CATALOGUE["VD-NET-002"], target=change.target)
        with self.lock:
            return self.held.get(change.target)


def as_runbook_error(error: BaseException) -> RunbookError:
    return error if isinstance(error, RunbookError) else RunbookError(CATALOGUE["VD-ENGINE-900"], type(error).__name__)


def work_on(world: World, clock: FakeClock, make: Callable[[Thing], None] | None = None) -> Work:
    actions = [Action(kind, make or world.make, world.see) for kind in map(kind_of, range(STAGES))]
    return Work(actions=actions, as_runbook_error=as_runbook_error, retry_policy=lambda: POLICY, clock=clock)


def kind_of(stage: int) -> ActionKind[Thing]:
    return ActionKind("make", stage)


def run(
    plan: Plan,
    work: Work,
    *,
    max_parallel: int = MAX_PARALLEL,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> list[Result]:
    told: list[Result] = []
    results = apply_plan(
        plan,
        work,
        on_result=told.append,
        on_stage_end=lambda: None,
        on_progress=on_progress,
        max_parallel=max_parallel,
    )
    assert Counter(map(id, told)) == Counter(map(id, results)), "each result is told exactly once"
    return results


def plan_of(*stages: int) -> Plan:
    things = [Thing(stage, f"t{index}", f"v{index}") for index, stage in enumerate(stages)]
    return Plan(tuple(kind_of(thing.stage).change(thing, thing.target, None, thing.after) for thing in things))


def foreseen(story: Sequence[str]) -> tuple[str, int, str | None]:
    """Return the outcome, the attempts and the error code that a story must lead to."""
    codes = {"refused": "VD-IMPORT-001", "no_effect": "VD-ENGINE-001", "bug": "VD-ENGINE-900", "exits": "VD-ENGINE-900"}
    for attempt in range(1, POLICY.max_retries + 2):
        behaviour = story[attempt - 1] if attempt <= len(story) else "works"
        if behaviour.startswith("works"):
            return "done", attempt, None
        if behaviour not in ("lost", "wrapped_lost", "open"):
            return "failed", attempt, codes[behaviour]
    return "failed", attempt, "VD-NET-001" if behaviour == "wrapped_lost" else "VD-ENGINE-900"


@given(
    plans=st.lists(st.tuples(st.integers(0, 3), STORY), max_size=12),
    max_parallel=st.integers(1, 12),
)
@settings(deadline=None, max_examples=150)
def test_every_plan_ends_as_its_stories_tell(plans: list[tuple[int, list[str]]], max_parallel: int) -> None:
    plan = plan_of(*(stage for stage, _ in plans))
    world = World(stories={f"t{index}": story for index, (_, story) in enumerate(plans)})

    results = run(plan, work_on(world, FakeClock()), max_parallel=max_parallel)

    assert Counter(result.change for result in results) == Counter(plan.changes)
    assert [result.change.stage for result in results] == sorted(result.change.stage for result in results)
    failed_stages = {result.change.stage for result in results if result.outcome == "failed"}
    for result in results:
        target = result.change.target
        assert result.attempts == world.applied[target]
        if failed_stages and result.change.stage > min(failed_stages):
            assert (result.outcome, result.attempts, result.error) == ("skipped", 0, None)
            assert target not in world.held
            continue
        code = None if result.error is None else result.error.code
        assert (result.outcome, result.attempts, code) == foreseen(world.stories[target])
        assert (result.outcome == "done") == (world.held.get(target) == result.change.after)
        assert result.observed == world.held.get(target)
    assert not world.applied_needlessly, "what shows is never applied again"
    assert [stage for _, stage in world.order] == sorted(stage for _, stage in world.order)


def test_changes_of_a_stage_run_side_by_side() -> None:
    meeting = threading.Barrier(8)
    world = World()

    def make(thing: Thing) -> None:
        meeting.wait(timeout=60)
        world.make(thing)

    results = run(plan_of(*[0] * 8), work_on(world, FakeClock(), make))

    assert [result.outcome for result in results] == ["done"] * 8


def test_no_more_than_max_parallel_are_in_flight() -> None:
    lock, met = threading.Lock(), threading.Barrier(3)
    now, most = 0, 0
    world = World()

    def make(thing: Thing) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        met.wait(timeout=60)
        world.make(thing)
        with lock:
            now -= 1

    run(plan_of(*[0] * 9), work_on(world, FakeClock(), make), max_parallel=3)

    assert most == 3


def test_repetitions_keep_the_policys_distance_and_deadline() -> None:
    clock = FakeClock()
    world = World(stories={"t0": ["lost", "lost", "lost", "lost"]})
    run(plan_of(0), work_on(world, clock))
    assert clock.slept == [2.0, 2.0]

    clock = FakeClock()
    world = World(stories={"t0": ["lost", "lost", "lost", "lost"]})
    short = replace(POLICY, total_seconds=3.0)
    (result,) = run(plan_of(0), replace(work_on(world, clock), retry_policy=lambda: short))
    assert clock.slept == [2.0]
    assert result.attempts == 2


def test_read_back_mismatch_names_what_was_expected_and_what_is_there() -> None:
    world = World(stories={"t0": ["no_effect"]}, held={"t0": "something else"})
    (result,) = run(plan_of(0), work_on(world, FakeClock()))
    assert result.error is not None
    assert "expected v0, observed something else" in result.error.message


def test_a_change_that_cannot_be_read_back_is_not_believed() -> None:
    world = World(blind={"t0"})
    (result,) = run(plan_of(0), work_on(world, FakeClock()))
    assert (result.outcome, result.observed, result.attempts) == ("failed", None, 1)
    assert result.error is not None
    assert result.error.code == "VD-NET-002"


def test_where_apply_and_look_both_fail_the_first_failure_is_told() -> None:
    world = World(stories={"t0": ["refused"]}, blind={"t0"})
    (result,) = run(plan_of(0), work_on(world, FakeClock()))
    assert result.error is not None
    assert result.error.code == "VD-IMPORT-001"


def test_a_fault_in_the_engines_own_surroundings_ends_the_change_and_not_the_run() -> None:
    world = World(stories={"t0": ["lost"]})

    def no_policy() -> NetworkRetryPolicy:
        raise LookupError

    results = run(plan_of(0, 0), replace(work_on(world, FakeClock()), retry_policy=no_policy))
    assert [result.outcome for result in results] == ["failed", "done"]
    assert results[0].error is not None
    assert results[0].error.code == "VD-ENGINE-900"


def in_place(world: World, *others: Thing, code: str = "VD-IMPORT-001") -> Work:
    """Return work in which `others` replace `t0` if it fails with this code."""

    def instead(thing: Thing, error: RunbookError) -> Sequence[Change]:
        if thing.target != "t0" or error.code != code:
            return ()
        return [kind_of(other.stage).change(other, other.target, None, other.after) for other in others]

    work = work_on(world, FakeClock())
    return replace(work, actions=[replace(action, instead=instead) for action in work.actions])


def test_others_come_in_the_place_of_a_change_that_failed_before_the_next_stage() -> None:
    world, seen = World(stories={"t0": ["refused"]}), list[Progress]()
    work = in_place(world, Thing(1, "b", "1"), Thing(0, "a", "1"))
    results = run(plan_of(1, 1, 2), work, on_progress=seen.append)
    assert [result.change.target for result in results] == ["t0", "t1", "a", "b", "t2"]
    assert [result.outcome for result in results] == ["replaced", *["done"] * 4]
    first = results[0]
    assert first.error is not None
    assert (first.error.code, [change.target for change in first.instead]) == ("VD-IMPORT-001", ["b", "a"])
    assert failure_of(results) is None
    assert (seen[-1].done, seen[-1].failed, seen[-1].total) == (4, 0, 4)


def test_what_comes_in_the_place_of_a_change_is_a_change_like_any_other() -> None:
    world = World(stories={"t0": ["refused"], "a": ["lost"], "b": ["bug"]})
    work = in_place(world, Thing(0, "a", "1"), Thing(0, "b", "1"))
    results = run(plan_of(0, 1), work)
    outcomes = {result.change.target: (result.outcome, result.attempts) for result in results}
    assert outcomes == {"t0": ("replaced", 1), "a": ("done", 2), "b": ("failed", 1), "t1": ("skipped", 0)}
    failure = failure_of(results)
    assert failure is not None
    assert failure.code == "VD-ENGINE-900"
    assert "1 of 4 changes failed, the first: make b" in failure.message


def test_only_the_failure_that_an_action_knows_another_way_for_is_replaced() -> None:
    world = World(stories={"t0": ["bug"]})
    results = run(plan_of(0), in_place(world, Thing(0, "a", "1")))
    assert [(result.outcome, result.instead) for result in results] == [("failed", ())]
    assert "a" not in world.held


def test_a_stop_begins_nothing_in_the_place_of_a_change() -> None:
    world = World(stories={"t0": ["refused"]})
    work = replace(in_place(world, Thing(0, "a", "1")), stop_asked=lambda: world.applied["t0"] > 0)
    assert [result.outcome for result in run(plan_of(0), work)] == ["replaced", "skipped"]


def test_stop_lets_the_started_ones_end_and_begins_no_other() -> None:
    stop = threading.Event()
    world = World()

    def make(thing: Thing) -> None:
        stop.set()
        world.make(thing)

    work = replace(work_on(world, FakeClock(), make), stop_asked=stop.is_set)
    results = run(plan_of(*[0] * 5, 1), work, max_parallel=1)

    outcomes = [result.outcome for result in results]
    assert outcomes[0] == "done"
    assert outcomes[-1] == "skipped"
    assert set(outcomes) == {"done", "skipped"}
    assert sum(world.applied.values()) == outcomes.count("done")


def test_stop_waits_for_a_bounded_time_only() -> None:
    stop, never = threading.Event(), threading.Event()
    world, clock = World(), FakeClock()

    def make(thing: Thing) -> None:
        stop.set()
        never.wait(timeout=60)
        world.make(thing)

    def on_progress(_: Progress) -> None:
        if stop.is_set():
            clock.sleep(STOP_GRACE_SECONDS / 4)

    results = run(plan_of(0, 1), replace(work_on(world, clock, make), stop_asked=stop.is_set), on_progress=on_progress)
    never.set()

    assert [result.outcome for result in results] == ["failed", "skipped"]
    assert results[0].error is not None
    assert results[0].error.code == "VD-ENGINE-002"


def test_stop_ends_repetitions() -> None:
    world = World(stories={"t0": ["lost", "works"]})
    work = replace(work_on(world, FakeClock()), stop_asked=lambda: world.applied["t0"] > 0)
    (result,) = run(plan_of(0), work)
    assert (result.outcome, result.attempts) == ("failed", 1)


def test_progress_counts_the_whole_plan() -> None:
    seen: list[Progress] = []
    world = World(stories={"t2": ["refused"]})
    run(plan_of(0, 0, 1, 1, 2), work_on(world, FakeClock()), on_progress=seen.append)

    assert all(progress.total == 5 for progress in seen)
    assert [progress.done + progress.failed for progress in seen] == sorted(
        progress.done + progress.failed for progress in seen
    )
    assert (seen[-1].done, seen[-1].failed) == (3, 1)
    assert str(Progress(done=12, failed=0, in_flight=3, total=40)) == "12 of 40 done, 3 in flight, 0 failed"


def test_a_plan_that_names_a_change_twice_is_refused() -> None:
    change = Change(0, "make", "t", None, "v")
    with pytest.raises(ValueError, match="twice"):
        Plan((change, replace(change, stage=1)))


def test_a_change_without_an_action_is_refused_before_anything_is_changed() -> None:
    world = World()
    foreign = Change(0, "paint", "t9", None, "v9", Thing(0, "t9", "v9"))
    plan = plan_of(0, 1)
    with pytest.raises(ValueError, match="no action is called 'paint' in stage 0"):
        run(Plan((*plan.changes, foreign)), work_on(world, FakeClock()))
    with pytest.raises(ValueError, match="no action"):
        run(plan_of(STAGES), work_on(world, FakeClock()))
    assert not world.applied


def test_two_actions_of_one_kind_are_refused() -> None:
    work = work_on(World(), FakeClock())
    with pytest.raises(ValueError, match="same kind"):
        replace(work, actions=[*work.actions, work.actions[0]])


def test_the_subject_of_a_change_is_neither_compared_nor_shown() -> None:
    change = kind_of(0).change(Thing(0, "t0", "secret"), "t0", None, "v0")
    assert change == Change(0, "make", "t0", None, "v0")
    assert "secret" not in repr(change)
