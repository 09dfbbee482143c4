"""`python -m scripts.working_day`: play the day in a lab of its own, and write docs/working-day.md."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.working_day.player import Day, operators_shell
from scripts.working_day.scenes import SCENES, prepare
from vibedata import lab_process

PAGE = Path(__file__).resolve().parents[2] / "docs" / "working-day.md"
HEAD = """\
# One working day of an operator

This is what the commands say on one day at the publisher. A script types them in the lab and writes down what they say.
Times, ids, digests, addresses and durations have one form each here, because they differ from day to day. Lines that
only say that something is still running are left out. The terminal has 80 columns.

*Written by `python -m scripts.working_day`. `make test` plays the day again and compares what is said.*
"""
# Automation accepts 5 package imports in 30 s. The day does not wait for that.
PACKAGE_IMPORTS = {"operation": "packageImportWindow", "seconds": 0.1}


def page_of_a_day(folder: Path, tell: Callable[[str], object]) -> str:
    """Play the day in `folder`, which is empty, and return the page. Raises DayError where a command ends otherwise."""
    directory = folder / "lab"
    lab = lab_process.start_detached(directory)
    try:
        environ = operators_shell(lab)
        os.environ.update(lab.environment)
        office = folder / "office"
        office.mkdir()
        day = Day(lab=lab, folder=office, environ=environ, tell=tell)
        day.happens("POST", "/latency", PACKAGE_IMPORTS)
        prepare(day)
        for title, lead, scene in SCENES:
            day.say(f"## {title}\n\n{lead}")
            scene(day)
    finally:
        lab_process.stop(directory)
    return "\n".join([HEAD, *day.page])


def main() -> int:
    """Write the page and return the exit code."""
    parser = argparse.ArgumentParser(prog="working_day", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="the page to write")
    page = parser.parse_args().page
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(page_of_a_day(Path(folder), lambda line: print(line, flush=True)), encoding="utf-8")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
