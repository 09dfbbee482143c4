"""`vibedata invoke RUNBOOK`: run a published runbook as an Automation job, and follow it."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.automation.jobs import JobResult
from runbook_lib.errors import automation
from runbook_lib.errors import run as run_errors
from vibedata.instances import choice, confirmation
from vibedata.jobs import run_job
from vibedata.output import show
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import watching
from vibedata.session import open_customer
from vibedata.terminal import told

EXAMPLES = """\
examples:
  vibedata invoke import_manifest --plan
  vibedata invoke check_health --instance k3v9x2p7
  vibedata invoke import_images --parameter release_version=2026.11.0
  vibedata invoke import_images --output json

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
    with watching(f"{arguments.runbook}: {customer}", output=arguments.output, clock=session.clock) as view:
        view.tell(StepBegan(arguments.runbook))
        job = run_job(session, arguments.runbook, parameters, view.whole_job(arguments.runbook))
    result = result_of(job)
    text = f"{arguments.runbook}: {told(result['status'])} (job {job.job_id})"
    show(arguments.output, result=customer.as_field() | dict(result), text=text)
    return 1 if result["status"] == "failed" else 0


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of NAME=VALUE pairs. Raises RunbookError VD-PARAM-002 for one without `=`."""
    parameters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise run_errors.MALFORMED_PARAMETER.error("takes NAME=VALUE", target=pair)
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
        if isinstance(parameters[name], float):
            parameters[name] = value  # 2026.11 is a version, and no parameter takes a fraction
    return parameters


def result_of(job: JobResult) -> Mapping[str, Any]:
    """Return the runbook's own result. Raises RunbookError VD-AUTOMATION-005 if the job ended without a valid one."""
    if job.result is None:
        seen = ". ".join(part for part in (f"status {job.status}", job.problem, job.exception.strip()) if part)
        raise automation.JOB_WITHOUT_RESULT.error(seen, target=f"job {job.job_id}")
    return job.result
