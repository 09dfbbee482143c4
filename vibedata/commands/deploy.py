"""`vibedata deploy`: publish a build's runbooks to the customer's Automation account and run the chain."""

import argparse
import os
import shlex
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from publisher.session import publisher_clients, publisher_tables
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from vibedata.deployment.built_artifacts import LayoutArtifacts
from vibedata.deployment.chain import CHAIN, LOCK, STEPS, deploy, lock_step
from vibedata.deployment.first_credentials import HMAC_KEY
from vibedata.deployment.first_publication import FIRST_RUNBOOKS, FirstPublication
from vibedata.deployment.lock import LockOptions, locked
from vibedata.deployment.publication_step import NAME as FIRST_STEP
from vibedata.deployment.step import step_ended
from vibedata.deployment.watched import Watched, lock_lines
from vibedata.deployment.work import Deployment, DeploymentWork
from vibedata.instances import choice, confirmation
from vibedata.output import show, table
from vibedata.progress import reporter
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata deploy dist --plan         show what it would publish and run; change nothing
  vibedata deploy dist                publish the first runbooks, then run the whole chain as jobs
  vibedata deploy dist --instance k3v9x2p7
  vibedata deploy dist --from publish_runbooks    go on with this step; the ones before it are done
  vibedata deploy dist --only check_health        do one step
  vibedata deploy dist --wait         where another deployment runs, wait up to an hour for its end
  vibedata deploy dist --take-over    stop the jobs that a deployment left when it died, then deploy
  vibedata deploy dist --output json

Only one deployment runs in a subscription at a time. Where another one holds the lock, the command ends with exit code
3 and says who holds it. Ctrl-C gives the lock back; a job that has begun goes on in Azure, and the next deployment
waits for its end.

dist is the folder that `vibedata build` made. Without --instance, settings come from VIBEDATA_* in the environment.
VIBEDATA_PUBLISHER_BLOB_ENDPOINT always does. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `deploy` to the command line."""
    parser = subparsers.add_parser(
        "deploy",
        help="publish the runbooks and run the whole chain as Automation jobs",
        description="Publish the runbooks to the customer's Automation account and run the whole chain as jobs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("build", type=Path, metavar="DIR", help="the folder that `vibedata build` made")
    parser.add_argument("--plan", action="store_true", help="show the changes, but make none")
    parser.add_argument(
        "--allow-downgrade",
        action="store_true",
        help="accept a release that is older than the installed one",
    )
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument(
        "--from",
        dest="first_step",
        choices=STEPS,
        default=STEPS[0],
        metavar="STEP",
        help=f"begin with this step: {', '.join(STEPS)}",
    )
    steps.add_argument("--only", choices=STEPS, default="", metavar="STEP", help="do this step alone")
    parser.add_argument(
        "--wait", action="store_true", help="wait up to an hour where another deployment holds the lock"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="stop jobs that a former deployment left, where it has died; without it, wait for their end."
        " A deployment that lives keeps its lock either way",
    )
    choice.add_option(parser)
    confirmation.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deploy and return 0 if every step succeeded."""
    session, customer = open_customer(arguments)
    chosen = _chosen(arguments)
    release = _release(arguments, session)
    if arguments.plan:
        publication = FirstPublication(
            session=session,
            artifacts=release,
            runbooks=FIRST_RUNBOOKS,
            settings_variable=asdict(session.settings),
            warn=reporter(arguments.output),
        )
        return _show_plan(publication, arguments.output, customer, chosen)
    if arguments.allow_downgrade:
        what = f"An older release may replace the installed one at {customer}."
        confirmation.confirm(what, customer.names, yes=arguments.yes)
    _require_publisher(session, chosen)
    deployment = Deployment(correlation_id=str(uuid.uuid4()))
    options = LockOptions(wait=arguments.wait, take_over=arguments.take_over)

    def work(view: View) -> None:
        view.tell(StepBegan(LOCK))
        started = time.monotonic()
        with locked(
            session, os.environ, correlation_id=deployment.correlation_id, options=options, report=lock_lines(view)
        ) as lock:
            deployment.steps.append(lock_step(time.monotonic() - started))
            view.tell(step_ended(deployment.steps[-1]))
            deploy(
                DeploymentWork(
                    session=session,
                    instance=customer.instance,
                    environ=os.environ,
                    # Another deployment may have ended since: what is installed is looked up anew.
                    release=_release(arguments, session),
                    deployment=deployment,
                    lock=lock,
                    view=view,
                    chosen=chosen,
                    allow_downgrade=arguments.allow_downgrade,
                )
            )

    return Watched(
        customer=customer,
        release=release.id.version,
        deployment=deployment,
        chosen=chosen,
        only=bool(arguments.only),
        command=_again(arguments),
        afterwards=(shlex.join(("vibedata", "status", *_of_instance(arguments))),),
        output=arguments.output,
        clock=SYSTEM_CLOCK,
    ).carry_out(work)


def _again(arguments: argparse.Namespace) -> str:
    """Return the command line, without the choice of steps."""
    options = [*_of_instance(arguments), *(["--allow-downgrade"] if arguments.allow_downgrade else [])]
    return shlex.join(("vibedata", "deploy", str(arguments.build), *options))


def _of_instance(arguments: argparse.Namespace) -> Sequence[str]:
    return ("--instance", arguments.instance) if arguments.instance else ()


def _release(arguments: argparse.Namespace, session: AzureSession) -> LayoutArtifacts:
    return LayoutArtifacts(arguments.build, session=session, allow_downgrade=arguments.allow_downgrade)


def _require_publisher(session: AzureSession, chosen: Sequence[str]) -> None:
    """Raise VD-SETTINGS-005, -002 before anything is changed where the publisher's services are not named."""
    if HMAC_KEY.step in chosen:
        publisher_clients(session.settings, session.clients, os.environ, SYSTEM_CLOCK)
    else:
        publisher_tables(session.settings, session.clients, os.environ, SYSTEM_CLOCK)


def _chosen(arguments: argparse.Namespace) -> Sequence[str]:
    """Return the names of the steps that are wanted, in their order."""
    if arguments.only:
        return (arguments.only,)
    return STEPS[STEPS.index(arguments.first_step) :]


def _show_plan(publication: FirstPublication, output: str, customer: choice.Customer, chosen: Sequence[str]) -> int:
    planned = publication.plan().changes if FIRST_STEP in chosen else ()
    steps = [(step.name, step.about) for step in CHAIN if step.name in chosen and step.name != FIRST_STEP]
    rows = [(change.action, change.target, change.before or "-", change.after) for change in planned]
    rows += [("carry out", name, "-", about) for name, about in steps]
    text = table("plan: nothing was changed", ("action", "target", "before", "after"), rows)
    result = {
        **customer.as_field(),
        "status": "planned",
        "changes": [asdict(change) for change in planned],
        "steps": [name for name, _ in steps],
    }
    show(output, result=result, text=text)
    return 0
