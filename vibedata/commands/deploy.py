"""`vibedata deploy [RELEASE]`: turn a resource group with only resources into a running instance."""

import argparse
import os
import shlex
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from publisher.dns_zone.place import zone_if_any
from publisher.session import publisher_clients, publisher_tables
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import new_reader
from runbook_lib.container_registry.wire import PUBLISHER
from runbook_lib.errors import RunbookError
from runbook_lib.errors import deployment as deployment_errors
from runbook_lib.release.model import LATEST
from vibedata.deployment.chain import LOCK, STEPS, deploy, lock_step, planned
from vibedata.deployment.first_credentials import HMAC_KEY
from vibedata.deployment.lock import LockOptions, locked
from vibedata.deployment.plan.difference import as_json, as_text, detailed_exit_code
from vibedata.deployment.plan.settings_checks import require_client_id, require_published
from vibedata.deployment.release_source import (
    LayoutRelease,
    PublishedRelease,
    ReleaseSource,
    is_tag,
    require_installable,
)
from vibedata.deployment.step import step_ended
from vibedata.deployment.watched import Watched, lock_lines
from vibedata.deployment.work import Deployment, ReleaseWork
from vibedata.instances import choice, confirmation
from vibedata.output import CommandError, show
from vibedata.progress import reporter
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View, view_of_lines
from vibedata.release.publisher_registry import add_login, open_wire, token_source
from vibedata.session import open_customer

# So the catalogue of errors calls the command line of a deployment.
ANY_DEPLOYMENT = "vibedata deploy DIR"
EXAMPLES = """\
examples:
  vibedata deploy --instance k3v9x2p7 --plan      show what it would change; change nothing
  vibedata deploy --instance k3v9x2p7             the release that the instance's document wants, or else latest
  vibedata deploy 2026.11.0 --instance k3v9x2p7   a version, from the publisher's container registry
  vibedata deploy dist                            the build in the folder dist, which has been pushed
  vibedata deploy latest --entra                  read the publisher's container registry with this shell's Azure login
  vibedata deploy dist --from publish_runbooks    go on with this step; the ones before it are done
  vibedata deploy dist --only check_health        do one step
  vibedata deploy dist --wait         where another deployment runs, wait up to an hour for its end
  vibedata deploy dist --take-over    stop the jobs that a deployment in this subscription left, then deploy
  vibedata deploy dist --output json
  vibedata deploy --instance k3v9x2p7 --plan --detailed-exitcode   for scripts: 0 nothing to do, 2 changes

RELEASE is a tag if it is `latest` or three numbers such as 2026.11.0. Anything else is a folder that `vibedata build`
made; a folder with such a name is written ./2026.11.0. Either is verified by the customer's pins before anything else.
A tag is read from the publisher's container registry, with the login that `vibedata verify` takes, too.

Only one deployment runs in a subscription at a time. If another one holds the lock, the command ends with exit code 3
and says who holds it. Ctrl-C releases the lock; a job that has begun goes on in Azure, and the next deployment waits
for its end.

Without --instance, settings come from VIBEDATA_* in the environment. These settings of the publisher always do:
VIBEDATA_PUBLISHER_BLOB_ENDPOINT, VIBEDATA_PUBLISHER_TABLE_ENDPOINT, VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT. A customer
without a token also needs the settings that `vibedata rotate-acr-token --help` names. The instance's name and
certificate need the settings that `vibedata dns --help` and `vibedata rotate-tls --help` name. Without them the
deployment makes no record and orders no certificate. For the lab, first type:
source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `deploy` to the command line."""
    parser = subparsers.add_parser(
        "deploy",
        help="deploy a release: the whole chain, from the preflight to the report",
        description="Deploy a release to an instance: the whole chain of steps, from the preflight to the report.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "release",
        nargs="?",
        default="",
        metavar="RELEASE",
        help="a version, latest, or a build's folder (default: the release of the instance's document, or else latest)",
    )
    parser.add_argument("--plan", action="store_true", help="show every change of the chain, but make none")
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="with --plan: end with exit code 0 if there is nothing to do, and with 2 if there is (1: it failed)",
    )
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
    steps.add_argument("--only", choices=STEPS, default="", metavar="STEP", help="do only this step")
    parser.add_argument("--wait", action="store_true", help="wait up to an hour if another deployment holds the lock")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="stop the jobs that a former deployment in this subscription left when it died; without this option, wait"
        " for their end. A living deployment keeps its lock in both cases",
    )
    choice.add_option(parser)
    confirmation.add_option(parser)
    add_login(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deploy, and return 0 if every step succeeded.

    With `--plan`, only plan, and return 0; return 2 if there are changes and the detailed exit code is asked for.
    """
    if arguments.detailed_exitcode and not arguments.plan:
        raise CommandError("--detailed-exitcode goes with --plan", remedy="vibedata deploy --plan --detailed-exitcode")
    session, customer = open_customer(arguments)
    require_client_id(session.settings, customer.instance)
    chosen = _chosen(arguments)
    release = _release(arguments, session, customer)
    require_installable(session, release, allow_downgrade=arguments.allow_downgrade)
    require_published(session, chosen, _again(arguments, release))
    deployment = Deployment(correlation_id=str(uuid.uuid4()))

    def work_of(view: View) -> ReleaseWork:
        return ReleaseWork(
            session=session,
            instance=customer.instance,
            environ=os.environ,
            release=release,
            deployment=deployment,
            view=view,
            chosen=chosen,
            allow_downgrade=arguments.allow_downgrade,
        )

    if arguments.plan:
        return _show_plan(arguments, customer, work_of(view_of_lines(reporter(arguments.output))))
    _confirm(arguments, customer)
    _require_publisher(session, chosen)
    return Watched(
        customer=customer,
        release=release.verified.id.version,
        deployment=deployment,
        chosen=chosen,
        only=bool(arguments.only),
        command=_again(arguments, release),
        afterwards=(shlex.join(("vibedata", "status", *_of_instance(arguments))),),
        result=customer.as_field() | _of_release(release),
        output=arguments.output,
        clock=SYSTEM_CLOCK,
    ).carry_out(lambda view: _deploy(arguments, work_of(view)))


def _again(arguments: argparse.Namespace, release: ReleaseSource) -> str:
    """Return the command line without the choice of steps.

    It has the version instead of a tag, because a tag may move later.
    """
    folder = "" if is_tag(arguments.release or LATEST) else arguments.release
    options = [*_of_instance(arguments), *(["--allow-downgrade"] if arguments.allow_downgrade else [])]
    options += ["--username", arguments.username] if arguments.username else []
    options += [f"--{name.replace('_', '-')}" for name in ("entra", "password_stdin") if getattr(arguments, name)]
    return shlex.join(("vibedata", "deploy", folder or release.verified.id.version, *options))


def _of_instance(arguments: argparse.Namespace) -> Sequence[str]:
    return ("--instance", arguments.instance) if arguments.instance else ()


def _deploy(arguments: argparse.Namespace, work: ReleaseWork) -> None:
    work.view.tell(StepBegan(LOCK))
    started = time.monotonic()
    with (
        _named_command(arguments, work.release),
        locked(
            work.session,
            os.environ,
            correlation_id=work.deployment.correlation_id,
            options=LockOptions(wait=arguments.wait, take_over=arguments.take_over),
            report=lock_lines(work.view),
        ) as lock,
    ):
        work.deployment.steps.append(lock_step(time.monotonic() - started))
        work.view.tell(step_ended(work.deployment.steps[-1]))
        # Another deployment may have ended since then. So look up again what it has left.
        require_installable(work.session, work.release, allow_downgrade=work.allow_downgrade)
        require_published(work.session, work.chosen, _again(arguments, work.release))
        deploy(work.holding(lock))


@contextmanager
def _named_command(arguments: argparse.Namespace, release: ReleaseSource) -> Iterator[None]:
    """Raise the errors of the lock again, with the command line of this deployment in what to do."""
    try:
        yield
    except RunbookError as error:
        if not error.is_(deployment_errors.LOCK_HELD, deployment_errors.FORMER_JOBS_RUN):
            raise
        words = [_again(arguments, release)]
        if arguments.only:
            words.append(f"--only {arguments.only}")
        elif arguments.first_step != STEPS[0]:
            words.append(f"--from {arguments.first_step}")
        if arguments.take_over and error.is_(deployment_errors.LOCK_HELD):
            words.append("--take-over")
        remedy = error.remedy.replace(ANY_DEPLOYMENT, " ".join(words))
        raise error.entry.error(error.detail, target=error.target, remedy=remedy) from error


def _release(arguments: argparse.Namespace, session: AzureSession, customer: choice.Customer) -> ReleaseSource:
    """Return the verified release that the command line names.

    If it names none, return the one in the instance's document.
    """
    recorded = "" if customer.instance is None else customer.instance.release
    wanted = arguments.release or recorded or LATEST
    if not is_tag(wanted):
        return LayoutRelease(Path(wanted), session=session)
    wire = open_wire(session.settings.publisher_registry, PUBLISHER, option="setting publisher_registry")
    reader = new_reader(wire, token_source(arguments, os.environ, wire), SYSTEM_CLOCK)
    return PublishedRelease(reader, wanted, session=session)


def _confirm(arguments: argparse.Namespace, customer: choice.Customer) -> None:
    """Ask before something is overwritten or stopped. Raises RunbookError VD-INSTANCE-007."""
    what = [
        sentence
        for asked, sentence in (
            (arguments.allow_downgrade, f"An older release may replace the installed one at {customer}."),
            (arguments.take_over, _take_over(customer)),
        )
        if asked
    ]
    if what:
        confirmation.confirm(" ".join(what), customer.names, yes=arguments.yes)


def _take_over(customer: choice.Customer) -> str:
    """Return the question. The lock of the subscription may name a deployment at another of its instances."""
    return (
        f"Jobs that a former deployment left are stopped. They may be at {customer}, or at another instance in"
        f" subscription {customer.settings.subscription_id}."
    )


def _require_publisher(session: AzureSession, chosen: Collection[str]) -> None:
    """Check before any change that the settings name the publisher's services. Raises VD-SETTINGS-005, -002."""
    zone_if_any(os.environ)
    if HMAC_KEY.step in chosen:
        publisher_clients(session.settings, session.clients, os.environ, SYSTEM_CLOCK)
    else:
        publisher_tables(session.settings, session.clients, os.environ, SYSTEM_CLOCK)


def _chosen(arguments: argparse.Namespace) -> Sequence[str]:
    """Return the names of the chosen steps, in their order."""
    if arguments.only:
        return (arguments.only,)
    return STEPS[STEPS.index(arguments.first_step) :]


def _show_plan(arguments: argparse.Namespace, customer: choice.Customer, work: ReleaseWork) -> int:
    plans = planned(work)
    title = f"plan for release {work.release.verified.id.version}: nothing was changed"
    result = customer.as_field() | {"status": "planned"} | _of_release(work.release) | as_json(plans)
    show(arguments.output, result=result, text=as_text(title, plans))
    return detailed_exit_code(plans) if arguments.detailed_exitcode else 0


def _of_release(release: ReleaseSource) -> dict[str, object]:
    return {"release": {"version": release.verified.id.version, "digest": release.verified.digest}}
