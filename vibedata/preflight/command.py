"""The common parts of `vibedata preflight` and `vibedata doctor`: option `--only-here`, the checks and the table."""

import argparse
import os
from collections.abc import Iterable

from runbook_lib.azure.session import AzureSession
from runbook_lib.preflight.finding import Finding
from vibedata.instances.choice import Customer
from vibedata.output import show
from vibedata.preflight.in_place import check_in_place
from vibedata.preflight.rows import as_json, joined, row_of, state_of, text
from vibedata.preflight.sandbox import rows_of_sandbox
from vibedata.progress_view.writer import watching


def add_only_here(parser: argparse.ArgumentParser) -> None:
    """Add `--only-here` to a command."""
    parser.add_argument("--only-here", action="store_true", help="start no job: look only from here")


def look_and_show(
    title: str,
    arguments: argparse.Namespace,
    session: AzureSession,
    customer: Customer,
    *,
    further: Iterable[Finding] = (),
) -> int:
    """Make every check and show one table. Return 1 if a row is bad, and 0 otherwise. further: additional findings."""
    rows = [row_of(finding) for finding in (*check_in_place(session, os.environ), *further)]
    if not arguments.only_here:
        heading, option, about = f"{title}: {customer}", customer.option, customer.as_field()
        with watching(heading, output=arguments.output, clock=session.clock, option=option, about=about) as view:
            rows += rows_of_sandbox(session, view)
    shown = joined(rows)
    show(arguments.output, result=customer.as_field() | dict(as_json(shown)), text=text(title, shown))
    return 1 if state_of(shown) == "bad" else 0
