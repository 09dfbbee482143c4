"""What a command that drives jobs and changes tells while it does so: enough to see that it goes on, and no more."""

import re
import time
from collections.abc import Callable

from runbook_lib.engine import Progress
from runbook_lib.run.output import PROGRESS_SECONDS

# Of jobs that follow each other, each begins and ends with a line of its own.
CHAIN_PROGRESS_SECONDS = 10.0
# As runbook_lib.runbook and runbook_lib.engine.Progress write them.
_PLAN = re.compile(r"\d+ to change, \d+ already right")
_PROGRESS = re.compile(r"\d+ of \d+ ")

Report = Callable[[str], None]


def progress_printer(write: Report) -> Callable[[Progress], None]:
    """Return what writes the progress, at most every PROGRESS_SECONDS and not before they have passed."""
    told_at = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            write(str(progress))

    return on_progress


def job_lines(runbook: str, report: Report) -> Report:
    """Return what is given a job's lines and reports those that a person who watches a chain of jobs needs.

    Left out are each change (the verbose stream; `vibedata invoke` shows it), the run's ids and the plan's length,
    which the result has; progress is shown where nothing else was for CHAIN_PROGRESS_SECONDS.
    """
    told_at = time.monotonic()

    def on_line(line: str) -> None:
        nonlocal told_at
        if line.startswith(("VERBOSE:", f"{runbook} ")) or _PLAN.fullmatch(line):
            return
        if _PROGRESS.match(line) and time.monotonic() - told_at < CHAIN_PROGRESS_SECONDS:
            return
        told_at = time.monotonic()
        report(f"{runbook}: {line}")

    return on_line
