"""The view as lines, at the widths of small, usual and wide terminals."""

import pytest
from rich.cells import cell_len

from runbook_lib.engine import Progress
from vibedata.progress_view import events as e
from vibedata.progress_view.layout import block, heartbeat, wrapped
from vibedata.progress_view.state import State, fold

WIDTHS = (60, 80, 200)
NAMES = ("preflight", "publish", "import_manifest", "import_images", "publish_runbooks", "validate_runbooks")


def state_after(*events: tuple[float, e.Event], title: str = "deploying Contoso (k3v9x2p7)") -> State:
    state = State(title=title, began=0.0)
    for now, event in events:
        state = fold(state, event, now).state
    return state


def importing(title: str = "deploying Contoso (k3v9x2p7)") -> State:
    """A first publication that has imported 10 of 29 packages."""
    planned = e.StepsPlanned([e.PlannedStep(name=name, is_job=name != "publish") for name in NAMES])
    return state_after(
        (0, planned),
        (0, e.StepBegan("preflight")),
        (42, e.StepEnded(status="unchanged", changed=0)),
        (43, e.StepBegan("publish")),
        (44, e.ChangesPlanned({"import": 29, "publish": 5})),
        *[(100.0, e.ChangeEnded(action="import", outcome="done"))] * 10,
        (100, e.Said("WARNING: something is old")),
        title=title,
    )


def queued() -> State:
    return state_after(
        (0, e.StepBegan("import_manifest")),
        (0, e.JobAsked("import_manifest")),
        (1, e.JobSeen(runbook="import_manifest", job_id="j", status="New", ended=False)),
    )


def test_the_block_at_80_columns() -> None:
    assert block(importing(), 134, width=80, height=24) == [
        "deploying Contoso (k3v9x2p7)",
        "  preflight          unchanged               42 s",
        "> publish            1 min 31 s of about 4 min",
        "    packages: 10 of 29; Automation takes 5 in 30 s; about 2 min",
        "  import_manifest",
        "  import_images",
        "  publish_runbooks",
        "  validate_runbooks",
        "2 min 14 s of about 13 min; 1 warning",
    ]


def test_what_is_waited_for_is_wrapped_at_60_columns() -> None:
    lines = block(importing(), 134, width=60, height=24)
    at = lines.index("> publish            1 min 31 s of about 4 min")
    assert lines[at + 1 : at + 3] == ["    packages: 10 of 29; Automation takes 5 in 30 s; about 2", "    min"]
    lines = block(queued(), 41, width=60, height=24)
    assert lines[2:4] == ["    job New for 41 s; Automation starts jobs within about a", "    minute"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [4, 6, 24])
@pytest.mark.parametrize("title", ["short", "x" * 300, "顧客" * 50])
def test_no_line_is_wider_and_no_block_higher_than_the_terminal(width: int, height: int, title: str) -> None:
    for state in (importing(title), queued(), state_after()):
        for now in (0, 134, 10_000):
            lines = block(state, now, width=width, height=height)
            assert len(lines) <= height
            assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("height", range(4, 12))
def test_a_low_terminal_shows_the_step_that_runs(height: int) -> None:
    lines = block(importing(), 134, width=80, height=height)
    assert [line for line in lines if line.startswith("> publish")]
    assert [line for line in lines if line.startswith("    packages: 10 of 29")]
    assert lines[-1].startswith("2 min 14 s of about")


def test_a_line_without_a_terminal_says_what_why_how_long_and_the_whole() -> None:
    assert heartbeat(importing(), 134) == (
        "publish: packages: 10 of 29; Automation takes 5 in 30 s; about 2 min"
        " (step: 1 min 31 s of about 4 min; whole: 2 min 14 s of about 13 min)"
    )
    assert heartbeat(queued(), 41) == (
        "import_manifest: job New for 41 s; Automation starts jobs within about a minute"
        " (step: 41 s of about 90 s; whole: 41 s of about 90 s)"
    )
    assert heartbeat(state_after(), 12) == "waiting for an answer (whole: 12 s of about 20 s)"


def test_failures_among_the_changes_are_counted() -> None:
    state = state_after(
        (0, e.StepBegan("publish")),
        (0, e.ChangesPlanned({"publish": 5})),
        (1, e.ChangesCounted(Progress(done=2, failed=1, in_flight=2, total=5))),
    )
    assert block(state, 1, width=80, height=24)[2] == "    runbooks: 0 of 5, 1 failed"


def test_words_are_wrapped_and_long_ones_broken() -> None:
    assert wrapped("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrapped("aaaaaaaa b", 3) == ["aaa", "aaa", "aa", "b"]
    assert wrapped("顧客顧客", 5) == ["顧客", "顧客"]
    assert wrapped("", 5) == [""]
