"""The lines of the view: without a terminal one at least every 15 s, whatever happens; and the content of a terminal
after each drawing.
"""

import io
import sys

import pytest

from runbook_lib.automation.jobs import JobState
from tests.support.fake_clock import FakeClock
from tests.support.screen_reader import shown
from vibedata.progress_view import events as e
from vibedata.progress_view.writer import SILENCE_SECONDS, TICK_SECONDS, View
from vibedata.terminal import Screen, screen_of

AT_LEAST_EVERY_SECONDS = 15.0


def plain(clock: FakeClock) -> tuple[View, io.StringIO]:
    stream = io.StringIO()
    return View("deploying contoso", stream=stream, screen=None, clock=clock), stream


def test_there_is_a_line_every_15_seconds_whatever_happens() -> None:
    """For an hour of queueing, running, importing and doing nothing at all, with a look at the clock each second."""
    clock = FakeClock()
    view, stream = plain(clock)
    happens: dict[int, e.Event] = {
        30: e.StepBegan("publish"),
        31: e.ChangesPlanned({"import": 29}),
        **{second: e.ChangeEnded(action="import", outcome="done") for second in range(100, 129)},
        400: e.StepEnded(status="succeeded", changed=29),
        700: e.StepBegan("import_images"),
        701: e.JobAsked("import_images"),
        705: e.JobSeen(runbook="import_images", job_id="j", status="New", ended=False),
        1200: e.JobSeen(runbook="import_images", job_id="j", status="Running", ended=False),
        1201: e.JobLine("import_images", "VERBOSE: import x: done, 3 ms"),
    }
    wrote_at, longest = 0.0, 0.0
    for second in range(3600):
        before = len(stream.getvalue())
        if second in happens:
            view.tell(happens[second])
        view.tick()
        if len(stream.getvalue()) > before:
            longest, wrote_at = max(longest, clock.monotonic() - wrote_at), clock.monotonic()
        clock.advance(TICK_SECONDS)
    assert longest <= SILENCE_SECONDS + TICK_SECONDS < AT_LEAST_EVERY_SECONDS
    lines = stream.getvalue().splitlines()
    assert 3600 / AT_LEAST_EVERY_SECONDS < len(lines) < 3600 / SILENCE_SECONDS + 20
    assert any("packages: 0 of 29; Automation takes 5 in 30 s; about" in line for line in lines)
    assert any("job New for " in line for line in lines)
    assert any("job Running for " in line for line in lines)


def test_a_line_that_was_written_is_progress_too() -> None:
    clock = FakeClock()
    view, stream = plain(clock)
    for _ in range(30):
        clock.advance(5)
        view.say("another attempt")
        view.tick()
    assert set(stream.getvalue().splitlines()) == {"another attempt"}


def status_of_job(view: View) -> str | None:
    step = view.state.current
    return None if step is None or step.job is None else step.job.status


def test_a_job_is_told_of() -> None:
    clock = FakeClock()
    view, stream = plain(clock)
    view.tell(e.StepBegan("import_images"))
    job = view.job("import_images")
    assert status_of_job(view) is None
    job.asked()
    assert status_of_job(view) == ""
    for status in ("New", "Running"):
        job.seen(JobState(job_id="j", status=status, exception="", runbook="import_images"))
    job.line("WARNING: old")
    job.line("WARNING: old")
    assert status_of_job(view) == "Running"
    job.seen(JobState(job_id="j", status="Completed", exception="", runbook="import_images"))
    assert status_of_job(view) is None
    assert stream.getvalue().splitlines() == [
        *("import_images: begins", "import_images: job j", "import_images: WARNING: old")
    ]


@pytest.mark.parametrize("term", ["dumb", None])
def test_what_cannot_be_drawn_over_gets_lines(term: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert screen_of(io.StringIO()) is None
    monkeypatch.setenv("TERM", "xterm")
    assert screen_of(Terminal()) is not None
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    assert screen_of(Terminal()) is None
    assert screen_of(sys.stdin) is None


class Terminal(io.StringIO):
    """A terminal of unknown size: 80 columns."""

    def isatty(self) -> bool:
        return True


def on_terminal(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> tuple[View, Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    return View("deploying contoso", stream=stream, screen=screen_of(stream), clock=clock), stream


def test_a_terminal_shows_one_block_below_the_lines_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    view, stream = on_terminal(clock, monkeypatch)
    view.tell(e.StepsPlanned([e.PlannedStep(name="publish", is_job=False)]))
    view.tell(e.StepBegan("publish"))
    view.say("WARNING: something is old")
    for _ in range(5):
        clock.advance(1)
        view.tick()
    view.say("a wheel was\nrefused")
    assert shown(stream.getvalue(), columns=80) == [
        *("WARNING: something is old", "a wheel was", "refused"),
        *("deploying contoso", "> publish  5 s of about 20 s", "    waiting for an answer"),
        "5 s of about 20 s; 1 warning",
        "",
    ]
    view.clear()
    assert shown(stream.getvalue(), columns=80) == ["WARNING: something is old", "a wheel was", "refused", ""]


def test_a_terminal_gets_no_control_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    view, stream = on_terminal(FakeClock(), monkeypatch)
    hostile = "a\x1b[2J\x1b]0;t\x07\x9b31m\u202e\tb"
    view.tell(e.StepBegan(hostile))
    view.tell(e.JobSeen(runbook=hostile, job_id=hostile, status=hostile, ended=False))
    view.tell(e.JobLine(hostile, hostile))
    view.say(hostile)
    lines = shown(stream.getvalue(), columns=80)
    assert lines[0].startswith("a\\x1b[2J\\x1b]0;t\\x07")
    assert all(line.isprintable() for line in lines)


def test_a_terminal_that_has_become_narrower_is_drawn_over_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    screen = Screen(stream)
    screen.draw((), ["x" * 70, "y"])
    first = stream.getvalue()
    assert shown(first, columns=40) == ["x" * 40, "x" * 30, "y", ""]
    monkeypatch.setattr("vibedata.terminal.COLUMNS", 40)
    screen.draw((), ["z"])
    assert shown(stream.getvalue(), columns=40) == ["z", ""]
