"""`vibedata fleet status`: all instances, one line each."""

import argparse
import os
import sys
from pathlib import Path

from oci.files.writing import write_file
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from vibedata.fleet.facts import line, verdict
from vibedata.fleet.page import page
from vibedata.fleet.readings import read_fleet
from vibedata.fleet.text import on_screen, text
from vibedata.output import show, show_lines
from vibedata.terminal import columns_of

EXAMPLES = """\
examples:
  vibedata fleet status
  vibedata fleet status --html fleet.html      write a page to open in a browser, to print or to send
  vibedata fleet status --output json

It shows what instances reported last, and what the publisher recorded of their credentials and rotations. It asks no
instance. Exit code 0: it could read everything, even if instances are ill; 1: it could not read some part, and names
it. VIBEDATA_PUBLISHER_TABLE_ENDPOINT says where the publisher's tables are. For the lab, first type:
source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `fleet` to the command line."""
    parser = subparsers.add_parser(
        "fleet",
        help="show the state of all instances",
        description="Show the state of all instances.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser(
        "status",
        help="one line for each instance: release, health, last deployment, credentials, open rotations",
        description="Show one line for each instance: release, health, last deployment, credentials, open rotations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument(
        "--html", type=Path, metavar="FILE", help="also write the state to this file, as one self-contained HTML page"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the state, and return 0, or 1 if a part of it could not be read."""
    at = SYSTEM_CLOCK.now()
    known, troubles = read_fleet(operator_tables(os.environ, SYSTEM_CLOCK), at)
    lines = [line(each, at) for each in known]
    whole = verdict(lines, troubles)
    written = ""
    if arguments.html is not None:
        write_file(arguments.html, page(lines, whole, at).encode(), what="the page")
        written = f"written to {arguments.html}\n"
    result = {
        "at": rfc3339(at),
        "verdict": {"level": whole.level.value, "headline": whole.headline},
        "instances": [each.as_json() for each in lines],
        "troubles": [error.as_json() for error in troubles],
    }
    if columns_of(sys.stdout) is None:
        show(arguments.output, result=result, text=text(lines, whole) + written)
    else:
        show_lines(arguments.output, result=result, lines=on_screen(lines, whole), more=written)
    return 1 if troubles or any(each.troubles for each in known) else 0
