"""`vibedata deprovision`: take back what the publisher has given to an instance. The customer deletes the instance."""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from publisher.certificates.record import Issuances
from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.dns_zone.access import open_zone
from publisher.dns_zone.audit import WATCHED
from publisher.dns_zone.host_actions import Host
from publisher.dns_zone.place import VARIABLE, zone_if_any
from publisher.instances.departure import CertificateOrders, Departure, application_of
from publisher.instances.deprovisioning import Facts, NameFacts, clear_name, close_order, leave, take_back
from publisher.instances.document import Instance
from publisher.instances.precedence import environment_of, settings_of, token_environment
from publisher.instances.store import Instances
from publisher.session import operator_tables, publisher_clients, subscription_clients, token_resource
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan, Result
from runbook_lib.errors import RunbookError, publisher
from vibedata.instances.choice import Customer, announce, no_such
from vibedata.instances.confirmation import add_option, confirm
from vibedata.instances.outcome import Part, carry_out, looked, tell, whole
from vibedata.session import open_session

EXAMPLES = """\
examples:
  vibedata deprovision --instance k3v9x2p7 --plan       show what it would take back now; change nothing
  vibedata deprovision --instance k3v9x2p7              asks for the instance's name
  vibedata deprovision --instance k3v9x2p7 --take-back  the customer's deletion has failed: make the instance work again

As long as the managed application exists, the instance is marked as leaving, and its token for the publisher's
container registry is disabled. Both can be undone. When Azure says that the application is gone, the command first
removes the records of the instance's name from the publisher's DNS zone. Then the keys are revoked, their secrets are
disabled, the token's passwords are removed, and the instance's row stays as a tombstone. At the end an open order of a
certificate is closed. The certificate is not revoked. A failure in the zone does not stop the rest, and a failure in
the rest does not stop the zone.
Type the same command again after the customer has deleted the application, or if the command was interrupted.

It needs the same settings of the publisher as `vibedata rotate-hmac` and `vibedata rotate-acr-token`, and
VIBEDATA_PUBLISHER_DNS_ZONE.
For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `deprovision` to the command line."""
    parser = subparsers.add_parser(
        "deprovision",
        help="take back what the publisher has given to an instance that leaves",
        description="Take back what the publisher has given to an instance that a customer deletes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--instance", required=True, metavar="ID", help="the instance's id in the table Instances")
    parser.add_argument("--take-back", action="store_true", help="make a leaving instance work again")
    parser.add_argument("--plan", action="store_true", help="show what would change, but change nothing")
    add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deprovision and return the exit code."""
    known = Instances(operator_tables(os.environ, SYSTEM_CLOCK))
    row = known.row(arguments.instance)
    if row is None:
        raise no_such(known, arguments.instance)
    if row.instance is None:
        raise row.trouble or publisher.ROW_MALFORMED.error(target=row.key)
    customer = Customer(settings=settings_of(row.instance, os.environ), instance=row.instance)
    announce(customer)
    session = open_session(environment_of(customer.settings, os.environ))
    application = application_of(row.instance, session.clients.resources)
    credentials = partial(_credentials, row.instance, session, known, application)
    if arguments.take_back:
        parts, errors = looked([partial(credentials, take_back)])
    else:
        name, certificate = (partial(look, session, application) for look in (_name, _certificate))
        parts, errors = looked([name, partial(credentials, leave), certificate])
    plan, state = whole(parts), application or "gone"
    about = {"id": row.instance.id, "application": state}
    results: list[Result] = []
    if plan.changes and not arguments.plan:
        if not arguments.take_back:
            what = f"The managed application is {state}. {len(plan.changes)} things of {customer} are taken back."
            confirm(what, customer.names, yes=arguments.yes)
        resume = f"vibedata deprovision --instance {row.instance.id}{' --take-back' if arguments.take_back else ''}"
        results = carry_out(parts, output=arguments.output, about=about, resume=resume)
    head = f"the managed application is {state}\n"
    return tell(arguments, plan, results, about=about, head=head, errors=errors)


def _name(session: AzureSession, application: str) -> Part:
    """Return the plan for the instance's name in the publisher's zone, and the actions there."""
    facts = NameFacts(instance_id=session.settings.instance_id, application=application)
    zone = zone_if_any(os.environ)
    if zone is None:
        return clear_name(replace(facts, no_zone=f"{VARIABLE} names no DNS zone")), ()
    try:
        below = zone.relative(session.settings.public_host)
    except RunbookError as error:
        return clear_name(replace(facts, no_zone=error.message)), ()
    record_sets = open_zone(zone, session.settings, session.clients, SYSTEM_CLOCK)
    found = tuple(each for each in record_sets.at_and_below(below) if each.type in WATCHED)
    return clear_name(replace(facts, found=found)), Host(record_sets, SYSTEM_CLOCK).actions()


def _certificate(session: AzureSession, application: str) -> Part:
    """Return the plan for an open order of a certificate, and the actions in its record."""
    issuances = Issuances(operator_tables(os.environ, SYSTEM_CLOCK))
    orders = CertificateOrders(session.settings.instance_id, issuances, SYSTEM_CLOCK)
    return close_order(orders.observe(application)), orders.actions()


def _credentials(
    instance: Instance, session: AzureSession, known: Instances, application: str, decide: Callable[[Facts], Plan]
) -> Part:
    """Return the plan for the instance's credentials and row, and the actions. decide: makes the plan."""
    departure = _departure(instance, session, known)
    return decide(departure.observe(application)), departure.actions()


def _departure(instance: Instance, session: AzureSession, known: Instances) -> Departure:
    settings, environ = session.settings, os.environ
    token = token_resource(token_environment(instance, environ)) if instance.registry_token else None
    clients = publisher_clients(settings, session.clients, environ, SYSTEM_CLOCK)
    subscription = settings.subscription_id if token is None else token.subscription_id
    return Departure(
        instance,
        instances=known,
        container_registry=subscription_clients(
            settings, session.clients, subscription, SYSTEM_CLOCK
        ).container_registry_management,
        token=token,
        keys=HmacKeys(clients.table_service),
        custody=KeyCustody(clients.secrets, redactor=session.redactor, clock=SYSTEM_CLOCK),
        clock=SYSTEM_CLOCK,
    )
