"""Play an operator's day in a separate lab, and write docs/working-day.md: `python -m scripts.pages.working_day`."""

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
The release is small: it has two components and no image. The terminal has 80 columns.

Times, ids, digests, sizes, addresses and durations differ from day to day. Here each has one form. Lines that only say
that something still runs are left out. Lines of changes that are made side by side stand in the order of the alphabet.

*Written by `python -m scripts.pages.working_day`. `make test` plays the day again and compares what is said.*
"""
# Automation accepts 5 package imports in 30 s. The day does not wait for that.
PACKAGE_IMPORTS = {"operation": "packageImportWindow", "seconds": 0.1}


def page_of_a_day(folder: Path, tell: Callable[[str], object]) -> str:
    """Play the day in the empty folder `folder`, and return the page. Raises DayError if a command ends in another way.

    This process takes over the operator's folder and environment. So it cannot be used for anything else afterwards.
    """
    directory = folder / "lab"
    lab = lab_process.start_detached(directory)
    try:
        environ = operators_shell(lab)
        os.environ.clear()
        os.environ.update(environ)
        office = folder / "office"
        office.mkdir()
        os.chdir(office)
        day = Day(lab=lab, folder=office, tell=tell)
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
    page = parser.parse_args().page.resolve()
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(page_of_a_day(Path(folder), lambda line: print(line, flush=True)), encoding="utf-8")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
