"""Show the progress of jobs and changes in few lines."""

import re
import sys
import time
from collections.abc import Callable

from runbook_lib.engine import Progress
from runbook_lib.run.output import PROGRESS_SECONDS

# The pace for a chain of jobs: each job's beginning and end is a line, too.
CHAIN_PROGRESS_SECONDS = 10.0
# As runbook_lib.runbook and runbook_lib.engine.Progress write them.
_PLAN = re.compile(r"\d+ to change, \d+ already right")
_PROGRESS = re.compile(r"\d+ of \d+ ")

WriteLine = Callable[[str], None]


def progress_printer(write: WriteLine) -> Callable[[Progress], None]:
    """Return a function that writes the progress at most once in PROGRESS_SECONDS, and not before these have passed."""
    told_at = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            write(str(progress))

    return on_progress


def job_lines(runbook: str, report: WriteLine) -> WriteLine:
    """Return a function that gets a job's lines and reports those that help a person who watches a chain of jobs.

    It leaves out each change (the verbose stream; `vibedata invoke` shows it), the run's ids and the plan's length,
    which the result has. It shows progress if it has shown nothing else for CHAIN_PROGRESS_SECONDS.
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


def reporter(output: str) -> WriteLine:
    """Return a function that writes progress. With `--output json`, standard output has only the result."""
    stream = sys.stderr if output == "json" else sys.stdout

    def report(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return report
