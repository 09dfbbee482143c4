"""`vibedata status`: release, components and their health, credentials, last runs."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from oci.files.writing import write_file
from runbook_lib.automation.access import AccountAccess
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.schema import COMPONENTS, Entity
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.instances import choice
from vibedata.instances.choice import Customer
from vibedata.output import show_lines
from vibedata.session import open_customer
from vibedata.status.facts import Trouble
from vibedata.status.page import page
from vibedata.status.report import COMPONENT_REGISTRY, RUNS, TABLES, StatusReadings, report
from vibedata.status.runs import LastRuns, read_runs
from vibedata.status.text import lines, tables

EXAMPLES = """\
examples:
  vibedata status --instance k3v9x2p7
  vibedata status --all                   every component, credential and run
  vibedata status --html status.html      write a page to open in a browser, to print or to send
  vibedata status --output json

It shows on one screen how the instance is, what to do, and what is due next. It shows what check_health recorded
last; `vibedata invoke check_health` checks again. A terminal gets colour, unless NO_COLOR is set. Exit code 0: it could
read everything, even if components are ill; 1: it could not read some part. It names this part. Without --instance,
settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""

T = TypeVar("T")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status` to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="show how an instance is, what to do, and what is due next",
        description="Show how an instance is, what to do, and what is due next; with --all each component, credential"
        " and run.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write the status to this file, as one self-contained HTML page"
    )
    parser.add_argument("--all", action="store_true", help="also show every component, credential and run, as tables")
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the status and return 0, or 1 if a part of it could not be read."""
    session, customer = open_customer(arguments)
    seen = read(session, customer)
    found = report(seen)
    written = ""
    if arguments.html is not None:
        write_file(arguments.html, page(found).encode(), what="the page")
        written = f"written to {arguments.html}\n"
    more = ("\n" + tables(found) if arguments.all else "") + written
    shown = lines(found)[:-1] if arguments.all else lines(found)
    show_lines(arguments.output, result=customer.as_field() | found.as_json(), lines=shown, more=more)
    return 1 if seen.troubles else 0


def read(session: AzureSession, customer: Customer) -> StatusReadings:
    """Read all parts. If a part cannot be read, the report names it and shows the rest.

    Raises RunbookError if nothing at all can be read.
    """
    settings = session.settings
    account = AccountAccess(client=session.clients.automation, settings=settings)
    tables = ComponentTables(session.clients.table_service, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK)
    troubles: list[Trouble] = []

    def tried(source: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except Exception as error:
            named = as_runbook_error(error)
            if named is None:
                raise
            if troubles:
                raise named from error
            message = session.redactor.redact(named.message)
            troubles.append(Trouble(source=source, code=named.code, message=message, remedy=named.remedy))
            return None

    entities = tried(COMPONENT_REGISTRY, lambda: read_tables(tables))
    runs = tried(RUNS, lambda: read_runs(account))
    return StatusReadings(
        at=SYSTEM_CLOCK.now(),
        name=customer.name,
        scope=str(customer),
        option=customer.option,
        entities=entities,
        runs=runs or LastRuns(),
        troubles=tuple(troubles),
    )


def read_tables(tables: ComponentTables) -> Mapping[str, Sequence[Entity]] | None:
    """Return the entities of the tables that status shows, None if there is no component registry.

    Raises azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    entities: dict[str, Sequence[Entity]] = {}
    for table in TABLES:
        try:
            entities[table] = list(tables.entities(table))
        except ResourceNotFoundError:
            # A bootstrap that was interrupted has made only some of the tables.
            if table == COMPONENTS:
                return None
    return entities
