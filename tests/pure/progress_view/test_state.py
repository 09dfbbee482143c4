"""The state that follows from events: states of steps and jobs, lasting lines, warnings that are shown once."""

from collections.abc import Sequence

import pytest

from runbook_lib.change import ActionKind, Plan, Result
from runbook_lib.engine import Progress
from vibedata.progress_view import events as e
from vibedata.progress_view.state import BROKEN_OFF, COMING, GOES_ON, State, fold
from vibedata.progress_view.waiting import about, of_about, waiting_for, whole_expected_seconds

PLANNED = e.StepsPlanned(
    (e.PlannedStep(name="publish", is_job=False), e.PlannedStep(name="import_images", is_job=True))
)
KEEP: ActionKind[str] = ActionKind("keep", stage=0)
IMPORT: ActionKind[str] = ActionKind("import", stage=1)
JOB = "0f0e"


def after(*events: tuple[float, e.Event], state: State | None = None) -> tuple[State, list[str]]:
    """Return the state after events, each with its time, and all lines that stay."""
    state = state or State(title="deploying contoso", began=0.0)
    lines: list[str] = []
    for now, event in events:
        found = fold(state, event, now)
        state = found.state
        lines += [line.text for line in found.lines]
    return state, lines


def waits(now: float, *events: tuple[float, e.Event]) -> str:
    state, _ = after(*events)
    assert state.current is not None
    return waiting_for(state.current, now)


def seen(status: str, *, ended: bool = False) -> e.JobSeen:
    return e.JobSeen(runbook="import_images", job_id=JOB, status=status, ended=ended)


def plan_of(*, kept: int, packages: int) -> Plan:
    keeps = [KEEP.change("", f"file {number}", None, "kept") for number in range(kept)]
    return Plan(changes=(*[IMPORT.change("", f"package {n}", None, "1") for n in range(packages)], *keeps))


def changes(action: str, count: int, at: float) -> list[tuple[float, e.Event]]:
    return [(at, e.ChangeEnded(action=action, outcome="done"))] * count


def test_steps_begin_and_end_in_their_order_with_their_times() -> None:
    state, lines = after(
        (0, PLANNED),
        (1, e.StepBegan("lock")),
        (2.4, e.StepEnded(status="succeeded", changed=0)),
        (3, e.StepBegan("publish")),
        (128, e.StepEnded(status="succeeded", changed=34)),
        (129, e.StepBegan("import_images")),
    )
    assert [(step.name, step.status, round(step.seconds)) for step in state.steps] == [
        ("lock", "succeeded", 1),
        ("publish", "succeeded", 125),
        ("import_images", GOES_ON, 0),
    ]
    assert lines == [
        *("lock: begins", "lock: succeeded, 1 s", "publish: begins", "publish: succeeded, 34 changed, 2 min 05 s"),
        "import_images: begins",
    ]


def test_a_step_that_comes_once_more_stands_behind_what_was_done() -> None:
    state, _ = after(
        (0, PLANNED),
        (1, e.StepBegan("publish")),
        (2, e.StepEnded(status="succeeded", changed=1)),
        (3, e.StepBegan("import_images")),
        (5, e.StepBegan("publish")),
        (6, e.StepEnded(status="succeeded", changed=2)),
        (7, e.StepBegan("import_images")),
    )
    assert [(step.name, step.status) for step in state.steps] == [
        *(("publish", "succeeded"), ("import_images", BROKEN_OFF), ("publish", "succeeded")),
        ("import_images", GOES_ON),
    ]
    assert state.steps[-1].is_job


def test_a_job_that_is_queued_says_how_long_and_why() -> None:
    began: list[tuple[float, e.Event]] = [(0, PLANNED), (0, e.StepBegan("import_images"))]
    assert waits(1, *began) == "waiting for an answer"
    asked = [*began, (1.0, e.JobAsked("import_images"))]
    assert waits(2, *asked) == "Automation is asked for a job of import_images"
    new = [*asked, (2.0, seen("New")), (3.0, seen("New"))]
    assert waits(41, *new) == "job New for 40 s; Automation starts jobs within about a minute"
    assert "longer than usual" in waits(90, *new)
    assert waits(52, *new, (50, seen("Activating"))).startswith("job Activating for 2 s; ")


def test_a_job_that_runs_tells_its_changes() -> None:
    began: list[tuple[float, e.Event]] = [(0, e.StepBegan("import_images")), (1, e.JobAsked("import_images"))]
    runs = [*began, (5.0, seen("Running"))]
    assert waits(15, *runs) == "job Running for 10 s"
    planned = [*runs, (6.0, e.JobLine("import_images", "26 to change, 3 already right"))]
    assert waits(15, *planned) == "job Running for 10 s; 0 of 26 changes done"
    counted = [*planned, (9.0, e.JobLine("import_images", "3 of 26 done, 2 in flight, 1 failed"))]
    assert waits(15, *counted) == "job Running for 10 s; 3 of 26 changes done, 1 failed"


def test_the_job_and_what_is_unusual_about_it_are_told_at_once() -> None:
    state, lines = after(
        (0, e.StepBegan("import_images")),
        *((at, seen(status)) for at, status in enumerate(("New", "Activating", "Running", "Suspended", "Running"))),
        (9, seen("Completed", ended=True)),
    )
    assert lines[1:] == [f"import_images: job {JOB}", "import_images: the job is Suspended"]
    assert state.current is not None and state.current.job is None


def test_packages_are_counted_with_automations_pace_and_what_is_left() -> None:
    plan = plan_of(kept=2, packages=29)
    assert list(e.planned(plan).counts.items()) == [("keep", 2), ("import", 29)]
    begun: list[tuple[float, e.Event]] = [(0, e.StepBegan("publish")), (1, e.planned(plan))]
    assert waits(2, *begun) == "files: 0 of 2"
    importing = [*begun, *changes("keep", 2, at=10)]
    # 29 packages at 5 in 30 s: the last window opens after 150 s, and an import takes 60 s.
    assert waits(10, *importing) == "packages: 0 of 29; Automation takes 5 in 30 s; about 4 min"
    some = [*importing, *changes("import", 10, at=100)]
    assert waits(100, *some) == "packages: 10 of 29; Automation takes 5 in 30 s; about 2 min"
    assert waits(500, *some) == "packages: 10 of 29; Automation takes 5 in 30 s; this is longer than usual"
    failing = [*some, (101.0, e.ChangesCounted(Progress(done=12, failed=2, in_flight=5, total=31)))]
    assert waits(101, *failing).startswith("packages: 10 of 29, 2 failed; ")


def test_single_wheels_come_in_the_place_of_one_that_is_refused() -> None:
    plan = plan_of(kept=1, packages=1)
    instead = plan_of(kept=3, packages=3).changes
    replaced = e.ended(Result(change=plan.changes[0], outcome="replaced", instead=instead))
    begun: list[tuple[float, e.Event]] = [(0, e.StepBegan("publish")), (0, e.planned(plan)), *changes("keep", 1, at=1)]
    assert waits(31, *begun) == "packages: 0 of 1; an import takes about a minute; about 30 s"
    assert waits(61, *begun, (61, replaced)) == "files: 1 of 4"
    assert waits(62, *begun, (61, replaced), *changes("keep", 3, at=62)).startswith("packages: 0 of 3; ")


@pytest.mark.parametrize(
    "lines",
    [
        ("WARNING: VD-LOG-001: no log", "WARNING:   cause: c", "WARNING: VD-LOG-001: no log", "WARNING:   cause: c"),
        ("WARNING: VD-LOG-001: no log", "WARNING: VD-LOG-001: no log", "WARNING:   cause: c"),
    ],
)
def test_a_warning_of_several_jobs_is_shown_once(lines: Sequence[str]) -> None:
    state, shown = after(
        (0, e.StepBegan("import_images")),
        *((1.0, e.JobLine("import_images", line)) for line in lines),
        (2, e.Said("WARNING: VD-LOG-001: no log")),
    )
    assert len([line for line in shown if "no log" in line]) == 1
    assert [(warned.text, warned.times) for warned in state.warnings] == [("VD-LOG-001: no log", 3)]
    assert shown[1] == "import_images: WARNING: VD-LOG-001: no log"


def test_a_chain_of_jobs_tells_what_matters() -> None:
    _, shown = after(
        (0, e.StepBegan("import_images")),
        *(
            (1.0, e.JobLine("import_images", line))
            for line in (
                "import_images 2026.11.0, run r, correlation c",
                "26 to change, 0 already right",
                "VERBOSE: no report to the publisher yet: there is no key yet to sign reports with (VD-CALLBACK-9)",
                "3 of 26 done, 2 in flight, 0 failed",
                "good storage account: read rows: is allowed",
                "unknown storage account: nobody could look",
                "succeeded: 26 changed, 0 already right, 0 failed, 0 skipped, 7.4 s",
                "failed: 25 changed, 0 already right, 1 failed, 0 skipped, 7.4 s",
            )
        ),
    )
    assert shown[1:] == [
        "import_images: unknown storage account: nobody could look",
        "import_images: failed: 25 changed, 0 already right, 1 failed, 0 skipped, 7.4 s",
    ]


def test_what_is_said_outside_of_a_step_is_shown() -> None:
    state, shown = after((0, e.Said("waiting")), (1, e.JobLine("probe", "hello")), (2, seen("New")))
    assert (shown, state.steps) == (["waiting", "probe: hello"], ())


def test_the_whole_is_what_has_passed_and_what_is_to_come() -> None:
    state, _ = after((0, PLANNED))
    whole = whole_expected_seconds(state, 0)
    assert whole == whole_expected_seconds(after((0, PLANNED), (0, e.StepBegan("publish")))[0], 10)
    late = after((0, PLANNED), (0, e.StepBegan("publish")))[0]
    assert whole_expected_seconds(late, 1000) > 1000
    many = (0, e.planned(plan_of(kept=0, packages=29)))
    assert whole_expected_seconds(after((0, PLANNED), (0, e.StepBegan("publish")), many)[0], 0) > whole
    assert state.steps[0].status == COMING


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "10 s"), (14, "20 s"), (40, "40 s"), (110, "110 s"), (111, "2 min"), (121, "3 min"), (240, "4 min")],
)
def test_what_is_only_known_roughly_is_rounded(seconds: float, text: str) -> None:
    assert about(seconds) == text


def test_a_time_beside_the_usual_one() -> None:
    assert of_about(40, 90) == "40 s of about 90 s"
    assert of_about(190, 90) == "3 min 10 s; usually about 90 s"
    assert of_about(3725, 180) == "1 h 02 min; usually about 3 min"


def test_a_job_is_open_until_it_was_seen_to_end() -> None:
    def is_open(*events: e.Event) -> bool:
        state, _ = after((0, PLANNED), (1, e.StepBegan("import_images")), *((2, event) for event in events))
        assert state.current is not None
        return state.current.has_open_job

    asked = e.JobAsked("import_images")
    assert not is_open()
    assert is_open(asked)
    assert is_open(asked, seen("Running"))
    assert not is_open(asked, seen("Completed", ended=True))
    assert not is_open(asked, seen("Failed", ended=True), asked, seen("Completed", ended=True))
    # Nobody could look at the first job any more, and the step began another one.
    assert is_open(asked, seen("Running"), asked, seen("Completed", ended=True))
