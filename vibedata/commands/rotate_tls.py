"""`vibedata rotate-tls`: order the first TLS certificate of an instance's public name, and renew the certificate."""

import argparse
import os
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from publisher.certificates.plan import IssuanceRequest
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from vibedata.instances import choice
from vibedata.interruption import Interrupted
from vibedata.output import show, table
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import watching
from vibedata.rotation.certificate import certificate_rotation, result_json, result_text
from vibedata.rotation.certificates_due import COLUMNS, Ended, go_on, instances
from vibedata.rotation.command import told_how_to_go_on
from vibedata.rotation.drive import drive
from vibedata.rotation.due import failure_lines
from vibedata.session import open_customer

if TYPE_CHECKING:
    from publisher.certificates.run import CertificateRun

EXAMPLES = """\
examples:
  vibedata rotate-tls --instance k3v9x2p7 --plan   show all steps; change nothing
  vibedata rotate-tls --instance k3v9x2p7          order the first certificate, or do what is due
  vibedata rotate-tls --instance k3v9x2p7 --now    renew, although nothing is due
  vibedata rotate-tls --due                        do what is due, at all instances
  vibedata rotate-tls --due --plan                 list what is due, at all instances
  vibedata rotate-tls --due --output json

If a run was interrupted, type the same command again: it continues the open rotation and the open order. --now renews
once, even if you type it again within an hour. Run `vibedata rotate-tls --due` every six hours: it renews certificates,
and it finishes open rotations. In a shell that has VIBEDATA_INSTANCE it looks only at this instance. The command needs
these settings of the publisher: VIBEDATA_PUBLISHER_TABLE_ENDPOINT, VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT,
VIBEDATA_PUBLISHER_DNS_ZONE and VIBEDATA_PUBLISHER_ACME_DIRECTORY. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `rotate-tls` to the command line."""
    parser = subparsers.add_parser(
        "rotate-tls",
        help="order and renew the TLS certificates of the instances",
        description="Order or renew an instance's TLS certificate. Its key stays in the customer's vault.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--due",
        action="store_true",
        help=f"do what is due, at all instances. If --instance or {choice.VARIABLE} names one, only there",
    )
    which.add_argument("--now", action="store_true", help="renew at once, although nothing is due")
    parser.add_argument("--plan", action="store_true", help="show all steps, but do none")
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what is due and return 0 if nothing failed."""
    return _all(arguments) if arguments.due else _one(arguments)


def _one(arguments: argparse.Namespace) -> int:
    session, customer = open_customer(arguments)
    about = {**customer.as_field(), "instance_id": session.settings.instance_id}
    title = f"{arguments.command}: {customer}"
    watched = watching(title, output=arguments.output, clock=SYSTEM_CLOCK, option=customer.option, about=about)
    rotating: CertificateRun | None = None

    def resume() -> str:
        """Return the command that continues the rotation, "" for a plan.

        If a rotation has begun, the command has no --now, because --now could begin another rotation after this one.
        """
        now = arguments.now and not (rotating and rotating.drives)
        return "" if arguments.plan else f"vibedata rotate-tls{customer.option}{' --now' if now else ''}"

    with told_how_to_go_on(resume), watched as view:
        view.tell(StepBegan(arguments.command))
        rotating = certificate_rotation(session, os.environ, IssuanceRequest(now=arguments.now), view)
        if not arguments.plan:
            outcome = drive(rotating, wait=False, report=view.say, redactor=session.redactor, clock=SYSTEM_CLOCK)
            result, failed = about | result_json(rotating.newest, outcome), outcome.failed is not None
            text = result_text(result, resume())
        else:
            plan, failed = rotating.preview(), False
            rows = [(change.action, change.target, change.before or "-", change.after) for change in plan.changes]
            text = table("plan: nothing was changed", ("action", "target", "before", "after"), rows)
            text = text if rows else "Nothing is due.\n"
            result = {"status": "planned", **about, "changes": [change.as_json() for change in plan.changes]}
    show(arguments.output, result=result, text=text)
    return 1 if failed else 0


def _all(arguments: argparse.Namespace) -> int:
    at = SYSTEM_CLOCK.now()
    wanted = arguments.instance or os.environ.get(choice.VARIABLE, "")
    resume = "vibedata rotate-tls --due" + (f" --instance {shlex.quote(wanted)}" if wanted else "")
    watched = watching("rotate-tls --due", output=arguments.output, clock=SYSTEM_CLOCK)
    with told_how_to_go_on(lambda: "" if arguments.plan else resume), watched as view:
        if wanted:
            option = "--instance" if arguments.instance else choice.VARIABLE
            view.say(f"{option} names one instance. The command looks only at {wanted}.")
        view.tell(StepBegan(arguments.command))
        found, troubles = instances(wanted)
    ended: list[Ended] = []
    title = "plan: nothing was changed" if arguments.plan else "certificates"
    try:
        for each in go_on(found, plan=arguments.plan, given=arguments.instance, output=arguments.output):
            ended.append(each)
    except Interrupted as interrupt:
        ended.append(Ended(instance=found[len(ended)], outcome="interrupted"))
        ended += [Ended(instance=later, outcome="not begun") for later in found[len(ended) :]]
        resume += " --plan" if arguments.plan else ""
        result = {**_result("interrupted", ended, troubles), **interrupt.result, "resume": resume}
        text = f"{_text(title, ended, troubles, at)}To go on, type:\n  {resume}\n"
        raise Interrupted(interrupt.code, result, text) from interrupt
    failed = bool(troubles) or any(each.outcome == "failed" for each in ended)
    status = "failed" if failed else "planned" if arguments.plan else "succeeded"
    show(arguments.output, result=_result(status, ended, troubles), text=_text(title, ended, troubles, at))
    return 1 if failed else 0


def _result(status: str, ended: Sequence[Ended], troubles: Sequence[RunbookError]) -> dict[str, object]:
    return {
        "status": status,
        "certificates": [each.as_json() for each in ended],
        "troubles": [error.as_json() for error in troubles],
    }


def _text(title: str, ended: Sequence[Ended], troubles: Sequence[RunbookError], at: datetime) -> str:
    text = table(title, COLUMNS, [each.cells(at) for each in ended]) if ended else "There is no instance.\n"
    return text + failure_lines([(each.instance.display_name, each.error) for each in ended], troubles)
