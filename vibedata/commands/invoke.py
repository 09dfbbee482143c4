"""`vibedata invoke RUNBOOK`: run a published runbook as an Automation job, and follow it."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.errors import run as run_errors
from vibedata.instances import choice, confirmation
from vibedata.jobs.following import run_checked
from vibedata.jobs.start import checked
from vibedata.jobs.watched import watch
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata invoke import_manifest --plan
  vibedata invoke check_health --instance k3v9x2p7
  vibedata invoke import_images --parameter release_version=2026.11.0
  vibedata invoke import_images --output json

The parameters are compared with those of the published runbook before a job starts. Ctrl-C ends this command and not
the job: `vibedata logs JOB --follow` follows it again. Exit code 0: the run succeeded; 1: it failed, or the job ended
without a result; 2: the parameters are wrong, and no job was started.

Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `invoke` to the command line."""
    parser = subparsers.add_parser(
        "invoke",
        help="run a published runbook as a job in the customer's Automation account",
        description="Run a published runbook as a job in the customer's Automation account, and follow it to its end.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runbook", metavar="RUNBOOK", help="the name of the runbook in the Automation account")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the runbook; give the option once for each. A JSON value (true, 3) is read as JSON, every"
        " other value as text",
    )
    parser.add_argument("--plan", action="store_true", help="show the changes, but make none")
    choice.add_option(parser)
    confirmation.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the job and return 0 if the runbook succeeded."""
    parameters = parse_parameters(arguments.parameter) | ({"plan_only": True} if arguments.plan else {})
    session, customer = open_customer(arguments)
    if parameters.get("allow_downgrade", False) is not False and not arguments.plan:
        what = f"An older release may replace the installed one at {customer}."
        confirmation.confirm(what, customer.names, yes=arguments.yes)
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    given = checked(account, arguments.runbook, parameters)
    return watch(
        arguments.runbook,
        lambda watcher: run_checked(account, arguments.runbook, given, watcher, clock=session.clock),
        session=session,
        customer=customer,
        output=arguments.output,
        about={},
    )


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of NAME=VALUE pairs.

    A VALUE that is JSON is read as JSON. Every other VALUE is a text, and so is a fraction. Raises RunbookError
    VD-PARAM-002 if a pair has no `=` or no name, or if a name comes twice.
    """
    parameters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise run_errors.MALFORMED_PARAMETER.error("takes NAME=VALUE", target=pair)
        if name in parameters:
            raise run_errors.MALFORMED_PARAMETER.error("it is given twice", target=name)
        try:
            parameters[name] = json.loads(value)
        except (ValueError, RecursionError):
            parameters[name] = value
        if isinstance(parameters[name], float):
            parameters[name] = value  # 2026.11 is a version, and no parameter takes a fraction
    return parameters
