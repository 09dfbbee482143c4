"""`vibedata deprovision`: take back what the publisher has given to an instance. The customer deletes the instance."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.instances.departure import Departure
from publisher.instances.deprovisioning import leave, take_back
from publisher.instances.document import Instance
from publisher.instances.precedence import environment_of, settings_of, token_environment
from publisher.instances.store import Instances
from publisher.session import operator_tables, publisher_clients, subscription_clients, token_resource
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.errors import publisher
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any
from vibedata.instances.choice import Customer, announce, no_such
from vibedata.instances.confirmation import add_option, confirm
from vibedata.interruption import Interrupted, exit_code_of
from vibedata.output import show, table
from vibedata.progress import reporter
from vibedata.session import open_session

EXAMPLES = """\
examples:
  vibedata deprovision --instance k3v9x2p7 --plan       show what it would take back now; change nothing
  vibedata deprovision --instance k3v9x2p7              asks for the instance's name
  vibedata deprovision --instance k3v9x2p7 --take-back  the customer's deletion has failed: make the instance work again

As long as the managed application exists, the instance is marked as leaving, and its token for the publisher's
container registry is disabled. Both can be undone. When Azure says that the application is gone, its keys are revoked,
their secrets are disabled, the token's passwords are removed, and the instance's row stays as a tombstone.
Type the same command again after the customer has deleted the application, or if the command was interrupted.

It needs the same settings of the publisher as `vibedata rotate-hmac` and `vibedata rotate-acr-token`.
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
    departure = _departure(row.instance, customer, known)
    facts = departure.observe()
    plan = take_back(facts) if arguments.take_back else leave(facts)
    state = facts.application or "gone"
    if arguments.plan or not plan.changes:
        return _told(arguments, row.instance, state, plan, [])
    if not arguments.take_back:
        what = f"The managed application is {state}. {len(plan.changes)} things of {customer} are taken back."
        confirm(what, customer.names, yes=arguments.yes)
    report = reporter(arguments.output)
    results: list[Result] = []

    def ended(result: Result) -> None:
        results.append(result)
        report(f"{result.change.action} {result.change.target}: {result.outcome}")

    work = Work(
        actions=departure.actions(), as_runbook_error=name_any, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK
    )
    try:
        apply_plan(plan, work, on_result=ended, on_stage_end=lambda: None, on_progress=lambda _: None)
    except KeyboardInterrupt as caught:
        resume = f"vibedata deprovision --instance {row.instance.id}{' --take-back' if arguments.take_back else ''}"
        result = {**_result("interrupted", row.instance, state, plan, results), "resume": resume}
        text = f"interrupted. What is done, the next run does not do again. To go on, type:\n  {resume}\n"
        raise Interrupted(exit_code_of(caught), result, text) from caught
    return _told(arguments, row.instance, state, plan, results)


def _departure(instance: Instance, customer: Customer, known: Instances) -> Departure:
    session = open_session(environment_of(customer.settings, os.environ))
    settings, environ = session.settings, os.environ
    token = token_resource(token_environment(instance, environ)) if instance.registry_token else None
    clients = publisher_clients(settings, session.clients, environ, SYSTEM_CLOCK)
    subscription = settings.subscription_id if token is None else token.subscription_id
    return Departure(
        instance,
        instances=known,
        arm=session.clients.resources,
        container_registry=subscription_clients(
            settings, session.clients, subscription, SYSTEM_CLOCK
        ).container_registry_management,
        token=token,
        keys=HmacKeys(clients.table_service),
        custody=KeyCustody(clients.secrets, redactor=session.redactor, clock=SYSTEM_CLOCK),
        clock=SYSTEM_CLOCK,
    )


def _told(arguments: argparse.Namespace, instance: Instance, state: str, plan: Plan, results: Sequence[Result]) -> int:
    """Show what was done. With a plan, show what would be done."""
    failed = next((each for each in results if each.outcome == "failed"), None)
    status = "failed" if failed else "succeeded" if results else "planned" if plan.changes else "unchanged"
    outcomes = _outcomes(results)
    error = failed.error if failed else None
    result = {**_result(status, instance, state, plan, results), "error": error.as_json() if error else None}
    title = {"planned": "plan: nothing was changed", "unchanged": "nothing to change"}.get(status, status)
    rows = [
        (each.action, each.target, each.before or "-", each.after, outcomes.get((each.action, each.target), "-"))
        for each in plan.changes
    ]
    text = f"the managed application is {state}\n"
    text += table(title, ("action", "target", "before", "after", "outcome"), rows) if rows else f"{title}\n"
    text += "".join(f"unchanged: {each.target}: {each.why}\n" for each in plan.unchanged)
    show(arguments.output, result=result, text=text + (f"{error}\n" if error else ""))
    return error.exit_code if error else 0


def _result(status: str, instance: Instance, state: str, plan: Plan, results: Sequence[Result]) -> dict[str, object]:
    outcomes = _outcomes(results)
    return {
        "status": status,
        "id": instance.id,
        "application": state,
        "changes": [{**each.as_json(), "outcome": outcomes.get((each.action, each.target))} for each in plan.changes],
        "unchanged": [asdict(each) for each in plan.unchanged],
    }


def _outcomes(results: Sequence[Result]) -> Mapping[tuple[str, str], str]:
    return {(each.change.action, each.change.target): each.outcome for each in results}
