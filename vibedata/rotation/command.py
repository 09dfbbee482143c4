"""The common parts of `vibedata rotate-hmac` and `vibedata rotate-acr-token`: options, the run, and the output."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from publisher.rotation.customer_phases import RunRunbook
from publisher.rotation.plan import RotationRequest
from publisher.rotation.record import Rotation
from publisher.rotation.run import RotationRun
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.rotation.parameters import MAX_OVERLAP_SECONDS
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from vibedata.instances import choice, confirmation
from vibedata.instances.choice import Customer
from vibedata.interruption import Interrupted
from vibedata.jobs.following import run_job
from vibedata.jobs.verdict import result_of
from vibedata.output import show, table
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View, watching
from vibedata.rotation.drive import DriveOutcome, drive


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both commands."""
    parser.add_argument("--plan", action="store_true", help="show all steps, but do none")
    parser.add_argument(
        "--overlap-seconds",
        type=_overlap_seconds,
        default=OVERLAP_SECONDS,
        metavar="N",
        help="how long the former credential is accepted beside the new one (default: %(default)s, a little over three"
        " hours; 0 with --emergency)",
    )
    parser.add_argument("--wait", action="store_true", help="wait until the former credential is retired")
    parser.add_argument(
        "--emergency", action="store_true", help="the credential in use is believed stolen: refuse it at once"
    )
    parser.add_argument(
        "--supersede",
        default="",
        metavar="ROTATION_ID",
        help="give up this open rotation, which cannot be finished, and begin another one",
    )
    choice.add_option(parser)
    confirmation.add_option(parser)


def confirm(arguments: argparse.Namespace, customer: Customer) -> None:
    """Ask the user before the command revokes or gives up something. Raises RunbookError VD-INSTANCE-007."""
    if arguments.plan or not (arguments.emergency or arguments.supersede):
        return
    what = "The credential in use is refused at once" if arguments.emergency else "An open rotation is given up"
    confirmation.confirm(f"{what} at {customer}.", customer.names, yes=arguments.yes)


def request_of(arguments: argparse.Namespace) -> RotationRequest:
    """Return the request in the options."""
    return RotationRequest(
        emergency=arguments.emergency,
        supersede=arguments.supersede,
        overlap_seconds=0 if arguments.emergency else arguments.overlap_seconds,
    )


def _overlap_seconds(text: str) -> int:
    """Return the number. If this raised ValueError, argparse would only name the option."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) > MAX_OVERLAP_SECONDS:
        raise argparse.ArgumentTypeError(f"takes 0 to {MAX_OVERLAP_SECONDS}")
    return int(text)


def jobs_of(session: AzureSession, view: View, *, correlation_id: str = "") -> RunRunbook:
    """Return a function that runs a runbook, or a phase of it, as a job in the customer's Automation account.

    correlation_id: the id of the deployment if the rotation is one of its steps, "" otherwise.
    """
    belongs_to = {"correlation_id": correlation_id} if correlation_id else {}

    def run_runbook(runbook: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        phase = f"phase {parameters['phase']}: " if "phase" in parameters else ""
        view.say(f"{runbook}: {phase}starting a job")
        return result_of(run_job(session, runbook, {**parameters, **belongs_to}, view.job(runbook)))

    return run_runbook


def run_rotation(
    arguments: argparse.Namespace,
    session: AzureSession,
    customer: Customer,
    rotation: Callable[[View], RotationRun[Any]],
) -> int:
    """Show the plan or rotate. rotation: one run, which reports its jobs to a view. Return the command's exit code."""
    instance = {**customer.as_field(), "instance_id": session.settings.instance_id}
    title, option = f"{arguments.command}: {customer}", customer.option
    watched = watching(title, output=arguments.output, clock=SYSTEM_CLOCK, option=option, about=instance)
    with told_how_to_go_on(lambda: "" if arguments.plan else _again(arguments, option)), watched as view:
        view.tell(StepBegan(arguments.command))
        rotating = rotation(view)
        if not arguments.plan:
            outcome = drive(
                rotating, wait=arguments.wait, report=view.say, redactor=session.redactor, clock=SYSTEM_CLOCK
            )
            result, failed = instance | result_json(rotating.newest, outcome), outcome.failed is not None
            text = _text(result)
        else:
            plan, failed = rotating.preview(), False
            rows = [(change.action, change.target, change.before or "-", change.after) for change in plan.changes]
            text = table("plan: nothing was changed", ("action", "target", "before", "after"), rows)
            result = {"status": "planned", **instance, "changes": [change.as_json() for change in plan.changes]}
    show(arguments.output, result=result, text=text)
    return 1 if failed else 0


@contextmanager
def told_how_to_go_on(resume: Callable[[], str]) -> Iterator[None]:
    """If a person interrupts the rotation, say how to finish it. Before that, the view says what goes on in Azure.

    resume: returns the command line that finishes it, "" if nothing was begun.
    """
    try:
        yield
    except Interrupted as interrupt:
        line = resume()
        if not line:
            raise
        text = f"A rotation that has begun continues where it stopped. To go on, type:\n  {line}\n"
        raise Interrupted(interrupt.code, {**interrupt.result, "resume": line}, text) from interrupt


def _again(arguments: argparse.Namespace, option: str) -> str:
    """Return the command line. It may be typed again at any time: a rotation is superseded only once."""
    words = f"vibedata {arguments.command}{option}"
    if arguments.emergency:
        words += " --emergency"
    elif arguments.overlap_seconds != OVERLAP_SECONDS:
        words += f" --overlap-seconds {arguments.overlap_seconds}"
    words += f" --supersede {shlex.quote(arguments.supersede)}" if arguments.supersede else ""
    return words + (" --wait" if arguments.wait else "")


def result_json(newest: Rotation | None, outcome: DriveOutcome) -> dict[str, Any]:
    """Return a run's result for programs."""
    failed = outcome.failed
    if failed and newest and not newest.open:
        newest = None  # an earlier run began this rotation, and this run has begun no rotation
    status = "failed" if failed else "waiting" if outcome.resume_at else "succeeded"
    return {
        "status": status,
        "rotation_id": newest.rotation_id if newest else None,
        "credential_id": newest.credential_id if newest else None,
        "changed": sum(each.outcome == "done" for each in outcome.results),
        "changes": [{**each.change.as_json(), "outcome": each.outcome} for each in outcome.results],
        "next": rfc3339(outcome.resume_at) if outcome.resume_at else None,
        "error": failed.error.as_json() if failed and failed.error else None,
    }


def _text(result: Mapping[str, Any]) -> str:
    if result["rotation_id"] is None:
        return "No rotation was begun. Correct the cause, then run the same command again."
    about = f"{result['credential_id']} (rotation {result['rotation_id']})"
    if result["status"] == "waiting":
        return (
            f"{about} is in use; the former credential is still accepted.\n"
            f"Run the same command again after {result['next']}."
        )
    if result["status"] == "failed":
        return f"{about} is not finished. Run the same command again: it goes on where this one ended."
    return f"{about} is in use; the former credential is retired."
