"""`vibedata dns point|audit`: the instance's name in the publisher's DNS zone."""

import argparse
import os
from dataclasses import asdict

from publisher.dns_zone.access import operator_zone
from publisher.dns_zone.audit import Audit, audit
from publisher.dns_zone.host_record import point
from publisher.dns_zone.naming import look_at_host
from publisher.dns_zone.place import DnsZone, zone_of
from publisher.instances.precedence import settings_of
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Result
from runbook_lib.errors import RunbookError, publisher
from vibedata.instances import choice, confirmation
from vibedata.instances.outcome import carry_out, tell
from vibedata.output import show, table
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata dns point --instance k3v9x2p7 --plan       show what it would change; change nothing
  vibedata dns point --instance k3v9x2p7              make the instance's name lead to its gateway
  vibedata dns point --instance k3v9x2p7 --take-over  replace a record that somebody else made
  vibedata dns audit                                  list the records that belong to no instance
  vibedata dns audit --output json

`point` writes an A record in the publisher's zone, with the address that Azure has given to the instance's gateway, and
waits until the zone's name servers serve it. If the gateway gets another address, `point` changes its own record. It
replaces a record that somebody else made only with --take-over, and asks for the instance's name before, unless --yes.
With --take-over, a right record that somebody else made becomes the suite's, too.

`audit` compares the zone with the publisher's table Instances. Azure may give the address behind an old record to
somebody else, who then controls the name. Mark the publisher's own records: write their purpose into the metadata
vibedataPurpose of the record set. Exit code 0: each record belongs to an instance or is marked; 1: some do not, or the
command failed.

VIBEDATA_PUBLISHER_DNS_ZONE is the zone's ARM id. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `dns` to the command line."""
    parser = subparsers.add_parser(
        "dns",
        help="make an instance's name lead to its gateway, and find records that belong to no instance",
        description="Make an instance's name lead to its gateway, and find records that belong to no instance.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    pointing = actions.add_parser(
        "point",
        help="make an instance's name lead to its gateway",
        description="Make an instance's name lead to its gateway.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pointing.add_argument("--plan", action="store_true", help="show what would change, but change nothing")
    pointing.add_argument("--take-over", action="store_true", help="replace or adopt records that somebody else made")
    choice.add_option(pointing)
    confirmation.add_option(pointing)
    actions.add_parser(
        "audit",
        help="list the zone's records that belong to no instance",
        description="List the records of the publisher's zone that belong to no instance.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the action and return the exit code."""
    return {"point": _point, "audit": _audit}[arguments.action](arguments)


def _point(arguments: argparse.Namespace) -> int:
    session, customer = open_customer(arguments)
    settings = session.settings
    host, facts = look_at_host(zone_of(os.environ), settings, session.clients, SYSTEM_CLOCK)
    plan = point(facts, take_over=arguments.take_over)
    about = {**customer.as_field(), "host": settings.public_host, "address": facts.address}
    results: list[Result] = []
    if plan.changes and not arguments.plan:
        if arguments.take_over:
            what = f"Records that somebody else made at {settings.public_host} are replaced, for {customer}."
            confirmation.confirm(what, customer.names, yes=arguments.yes)
        resume = f"vibedata dns point{customer.option}{' --take-over' if arguments.take_over else ''}"
        results = carry_out([(plan, host.actions())], output=arguments.output, about=about, resume=resume)
    return tell(arguments, plan, results, about=about, head=f"{settings.public_host}; its gateway is {facts.address}\n")


def _audit(arguments: argparse.Namespace) -> int:
    record_sets = operator_zone(os.environ, SYSTEM_CLOCK)
    owners, troubles = _owners(record_sets.zone)
    found = audit(record_sets.all(), owners)
    result = {
        "status": "findings" if found.findings else "failed" if troubles else "succeeded",
        "zone": record_sets.zone.name,
        "findings": [asdict(each) for each in found.findings],
        "owned": found.owned,
        "marked": [{"type": kind, "name": name, "purpose": why} for (kind, name), why in found.marked.items()],
        "troubles": [trouble.as_json() for trouble in troubles],
    }
    text = _text(record_sets.zone, found) + "".join(f"{trouble}\n" for trouble in troubles)
    show(arguments.output, result=result, text=text)
    return 1 if found.findings or troubles else 0


def _owners(zone: DnsZone) -> tuple[dict[str, str], list[RunbookError]]:
    """Return the ids of the instances by the names of their hosts below the zone, and the errors of unreadable rows."""
    owners: dict[str, str] = {}
    troubles: list[RunbookError] = []
    for row in Instances(operator_tables(os.environ, SYSTEM_CLOCK)).all():
        if row.instance is None:
            troubles += [row.trouble] if row.trouble else []
            owners[row.key] = row.key  # otherwise the row's record would look like a record of no instance
            continue
        try:
            owners[zone.relative(settings_of(row.instance, {}).public_host)] = row.instance.id
        except RunbookError as error:
            if not error.is_(publisher.NOT_IN_ZONE):  # an instance outside the zone owns no record here
                troubles.append(error)
    return owners, troubles


def _text(zone: DnsZone, found: Audit) -> str:
    counted = f"{found.owned} record sets belong to instances, {len(found.marked)} are marked\n"
    if not found.findings:
        return f"zone {zone.name}: each record belongs to an instance or is marked\n{counted}"
    rows = [(each.type, each.name, each.leads_to, each.why) for each in found.findings]
    title = f"zone {zone.name}: records that may be taken over"
    return table(title, ("type", "name", "leads to", "why it is listed"), rows) + counted
