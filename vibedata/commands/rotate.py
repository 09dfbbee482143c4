"""`vibedata rotate --due`: finish the waiting rotations of all instances."""

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from publisher.instances.store import Instances
from publisher.rotation import acr_token_credential, hmac_key_credential
from publisher.rotation.hmac_key_credential import hmac_key_rotation
from publisher.rotation.record import RotationRecords
from publisher.rotation.run import RotationRun
from publisher.session import operator_tables, publisher_clients
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from vibedata.change_errors import name_any
from vibedata.instances import choice
from vibedata.interruption import Interrupted
from vibedata.output import show, table
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View, watching
from vibedata.rotation.acr_token import acr_token_rotation
from vibedata.rotation.command import jobs_of
from vibedata.rotation.drive import drive
from vibedata.rotation.due import COLUMNS, Ended, Waiting, refusal, what_to_do
from vibedata.session import open_instance

EXAMPLES = """\
examples:
  vibedata rotate --due --plan                  list the waiting rotations of all instances; change nothing
  vibedata rotate --due                         finish the rotations that may be finished now
  vibedata rotate --due --instance k3v9x2p7
  vibedata rotate --due --output json

It begins no rotation: `vibedata rotate-hmac` and `vibedata rotate-acr-token` do. If it fails at one instance, it goes
on with the others. Ctrl-C ends the command, but not a job that runs. Then the command says what is finished, what goes
on and what was not begun. Type it again, and it continues there. Exit code 0: nothing failed, even if some rotations
wait for their time; 1: something failed. It needs the same settings as those two commands. For the lab, first type:
source .lab/lab.env
"""
HMAC, TOKEN = "rotate-hmac", "rotate-acr-token"
TABLES = {HMAC: hmac_key_credential.TABLE, TOKEN: acr_token_credential.TABLE}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `rotate` to the command line."""
    parser = subparsers.add_parser(
        "rotate",
        help="finish the rotations that wait, at all instances",
        description="Finish the rotations that wait, at all instances or at one.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--due", action="store_true", required=True, help="finish the rotations that may be finished now"
    )
    parser.add_argument("--plan", action="store_true", help="list the waiting rotations, but finish none")
    choice.add_option(parser, without="all instances of the publisher's table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Finish the waiting rotations, and return 0 if nothing failed.

    Raises Interrupted. The exception says which rotations are done, and which are not.
    """
    at = SYSTEM_CLOCK.now()
    waiting, troubles = _waiting(arguments.instance or os.environ.get(choice.VARIABLE, ""))
    ended: list[Ended] = []
    for each in waiting:
        try:
            ended.append(_ended(each, at, arguments))
        except Interrupted as interrupt:
            ended.append(Ended(waiting=each, outcome="interrupted"))
            ended += [Ended(waiting=later, outcome="not begun") for later in waiting[len(ended) :]]
            resume = f"vibedata rotate --due{_given(arguments)}"
            result = {**_result("interrupted", ended, troubles), **interrupt.result, "resume": resume}
            text = f"{_text(ended, troubles, at, plan=False)}To go on, type:\n  {resume}\n"
            raise Interrupted(interrupt.code, result, text) from interrupt
    failed = bool(troubles) or any(each.outcome == "failed" for each in ended)
    status = "failed" if failed else "planned" if arguments.plan else "succeeded"
    text = _text(ended, troubles, at, plan=arguments.plan)
    show(arguments.output, result=_result(status, ended, troubles), text=text)
    return 1 if failed else 0


def _given(arguments: argparse.Namespace) -> str:
    return f" --instance {shlex.quote(arguments.instance)}" if arguments.instance else ""


def _result(status: str, ended: Sequence[Ended], troubles: Sequence[RunbookError]) -> dict[str, object]:
    return {
        "status": status,
        "rotations": [each.as_json() for each in ended],
        "troubles": [error.as_json() for error in troubles],
    }


def _text(ended: Sequence[Ended], troubles: Sequence[RunbookError], at: datetime, *, plan: bool) -> str:
    title = "plan: nothing was changed" if plan else "rotations"
    text = table(title, COLUMNS, [each.cells(at) for each in ended]) if ended else "No rotation waits.\n"
    return text + what_to_do(ended, troubles)


def _waiting(wanted: str) -> tuple[list[Waiting], list[RunbookError]]:
    """Return the open rotations, and the errors of what could not be read.

    `wanted` is an instance's id or the file of an instance document, "" for all instances.
    """
    tables = operator_tables(os.environ, SYSTEM_CLOCK)
    troubles: list[RunbookError] = []
    if wanted:
        instances = [choice.find(wanted, os.environ)]
    else:
        rows = list(Instances(tables).all())
        instances = [row.instance for row in rows if row.instance is not None]
        troubles += [row.trouble for row in rows if row.trouble is not None]

    def found() -> Iterator[Waiting]:
        for instance in instances:
            for command, name in TABLES.items():
                try:
                    newest = RotationRecords(tables, name).newest(instance.id)
                except Exception as error:  # noqa: BLE001 - if one instance cannot be read, the others go on
                    troubles.append(name_any(error))
                    continue
                if newest is not None and newest.open:
                    yield Waiting(instance=instance, command=command, rotation=newest)

    return list(found()), troubles


def _ended(waiting: Waiting, at: datetime, arguments: argparse.Namespace) -> Ended:
    """Finish a rotation if its time has come. A failure is part of the result, and does not stop the other rotations.

    Raises Interrupted.
    """
    error = refusal(waiting)
    if error is not None:
        return Ended(waiting=waiting, outcome="failed", error=error)
    if not waiting.may_go_on(at):
        return Ended(waiting=waiting, outcome="waits", next=waiting.due)
    if arguments.plan:
        return Ended(waiting=waiting, outcome="planned")
    instance = waiting.instance
    title = f"{instance.display_name} ({instance.id}): {waiting.command}"
    option = choice.option_at(instance, arguments.instance, os.environ)
    with watching(title, output=arguments.output, clock=SYSTEM_CLOCK, option=option) as view:
        view.say(title)
        view.tell(StepBegan(waiting.command))
        try:
            session = open_instance(instance, os.environ)
            rotating = _rotation(waiting, session, view, os.environ)
            outcome = drive(rotating, wait=False, report=view.say, redactor=session.redactor, clock=SYSTEM_CLOCK)
        except Exception as caught:  # noqa: BLE001 - a failure at one instance does not stop the others
            return Ended(waiting=waiting, outcome="failed", error=name_any(caught))
    # The result describes the present state of the rotation.
    waiting = replace(waiting, rotation=rotating.newest or waiting.rotation)
    if outcome.failed is not None:
        return Ended(waiting=waiting, outcome="failed", error=outcome.failed.error)
    return Ended(waiting=waiting, outcome="waits" if outcome.resume_at else "finished", next=outcome.resume_at)


def _rotation(waiting: Waiting, session: AzureSession, view: View, environ: Mapping[str, str]) -> RotationRun[Any]:
    if waiting.command == TOKEN:
        return acr_token_rotation(session, waiting.instance, environ, waiting.request, view)
    return hmac_key_rotation(
        instance_id=session.settings.instance_id,
        request=waiting.request,
        clients=publisher_clients(session.settings, session.clients, environ, SYSTEM_CLOCK),
        run_runbook=jobs_of(session, view),
        redactor=session.redactor,
        clock=SYSTEM_CLOCK,
    )
