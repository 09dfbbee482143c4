"""What a command that drives jobs and changes tells while it does so: enough to see that it goes on, and no more."""

import time
from collections.abc import Callable

from runbook_lib.engine import Progress
from runbook_lib.output import PROGRESS_SECONDS

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

    Left out are each change (the verbose stream; `vibedata invoke` shows it) and the run's ids, which the result has.
    """

    def on_line(line: str) -> None:
        if not line.startswith(("VERBOSE:", f"{runbook} ")):
            report(f"{runbook}: {line}")

    return on_line
