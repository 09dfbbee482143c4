"""`vibedata status`: release, components and their health, credentials, last runs."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from oci.files.writing import write_file
from runbook_lib.automation.access import AccountAccess, plain
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.schema import COMPONENTS, Entity
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.errors import automation
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.instances import choice
from vibedata.instances.choice import Customer
from vibedata.output import show
from vibedata.session import open_customer
from vibedata.status.facts import Run, Trouble
from vibedata.status.page import page
from vibedata.status.report import COMPONENT_REGISTRY, RUNS, TABLES, StatusReadings, report
from vibedata.status.text import text

EXAMPLES = """\
examples:
  vibedata status --instance k3v9x2p7
  vibedata status --html status.html      write a page to open in a browser, to print or to send
  vibedata status --output json

It shows what check_health recorded last. `vibedata invoke check_health` checks again. Exit code 0: it could read
everything, even if components are ill; 1: it could not read some part, and names it. Without --instance, settings come
from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""

T = TypeVar("T")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status` to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="show release, components' health, credentials and last runs",
        description="Show the installed release, the components and their health, the credentials, and the last runs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write the status to this file, as one self-contained HTML page"
    )
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
    show(arguments.output, result=customer.as_field() | found.as_json(), text=text(found) + written)
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
        scope=str(customer),
        entities=entities,
        runs=runs or (),
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


def read_runs(account: AccountAccess) -> tuple[Run, ...]:
    """Return the runs of all runbooks. Automation keeps those of 30 days.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and azure.core's errors.

    Source: docs/azure-facts.md#python-and-its-limits.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        # Read all pages: their order is not documented.
        jobs = list(bounded(account.client.job.list_by_automation_account(*account.at), target="jobs"))
    except ResourceNotFoundError as error:
        raise automation.ACCOUNT_UNUSABLE.error("it is not there", target=account.at[1]) from error
    return tuple(
        Run(
            job_id=str(job.name),
            runbook=str(job.properties.runbook.name if job.properties.runbook else ""),
            status=plain(job.properties.status),
            created=job.properties.creation_time,
            started=job.properties.start_time,
            ended=job.properties.end_time,
        )
        for job in jobs
    )
