"""Show the progress of changes in few lines. vibedata/progress_view shows a chain of steps."""

import sys
import time
from collections.abc import Callable

from runbook_lib.engine import Progress
from runbook_lib.run.output import PROGRESS_SECONDS

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


def reporter(output: str) -> WriteLine:
    """Return a function that writes progress. With `--output json`, standard output has only the result."""
    stream = sys.stderr if output == "json" else sys.stdout

    def report(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return report
