"""`vibedata push DIR`: send a built release to the publisher's container registry."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from oci import push
from oci.container_registry_writer import ContainerRegistryWriter
from oci.push import Push
from runbook_lib.change import Plan, Result
from runbook_lib.clock import SYSTEM_CLOCK
from runbook_lib.container_registry_auth import EntraTokenSource, PublisherTokenSource, TokenSource
from runbook_lib.container_registry_wire import PUBLISHER, ContainerRegistryWire, Side
from runbook_lib.engine import Progress, Work, apply_plan
from runbook_lib.errors import RunbookError
from runbook_lib.failures import name_error
from runbook_lib.http import new_session
from runbook_lib.identity import credential
from runbook_lib.retry import NetworkRetryPolicy
from runbook_lib.settings import load
from scripts.output import CommandError, show, table

HOST = "VIBEDATA_PUBLISHER_REGISTRY"
USERNAME = "VIBEDATA_PUBLISHER_REGISTRY_USERNAME"
PASSWORD = "VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"  # noqa: S105 - the variable's name
SIDE = Side(unreachable=PUBLISHER.unreachable, refused="VD-PUSH-005")
PROGRESS_SECONDS = 2.0
EXAMPLES = f"""\
examples:
  vibedata push dist --plan                            what would be sent, nothing changed
  vibedata push dist --to vibedata.azurecr.io --entra  with this shell's Azure login
  pass acr | vibedata push dist --to vibedata.azurecr.io --username ci --password-stdin
  source .lab/lab.env; vibedata push dist              to the lab

Without --to, {HOST} names the container registry; without --username and --entra,
{USERNAME} and {PASSWORD} are the credentials.
What is there already is not sent again. A version's tag never moves; `latest` moves last. That it moves back to an
older release is said first.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `push` to the command line."""
    parser = subparsers.add_parser(
        "push",
        help="send a built release to the publisher's container registry",
        description="Send a built release to the publisher's container registry: only what is missing, `latest` last.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    host = os.environ.get(HOST, "")
    parser.add_argument("build", type=Path, metavar="DIR", help="the folder that `vibedata build` made")
    parser.add_argument("--to", default=host, metavar="HOST", help="host, or host:port")
    parser.add_argument("--plan", action="store_true", help="show the changes, make none")
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument(
        "--username", metavar="USER", help="user or token; its password is read with --password-stdin"
    )
    identity.add_argument("--entra", action="store_true", help="use this shell's Azure login")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Push and return the exit code."""
    started = time.monotonic()
    writer = _writer(arguments, os.environ)
    built = push.read_release(arguments.build)
    sent = Push(built=built, writer=writer)
    facts = sent.observe()
    plan, warnings = push.plan(facts), push.warnings(facts)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)  # noqa: T201 - what a command says
    summary: dict[str, object] = {
        "version": built.manifest.version,
        "container_registry": arguments.to,
        "unchanged": len(plan.unchanged),
        "warnings": warnings,
    }
    if arguments.plan:
        changes = [asdict(change) for change in plan.changes]
        show(arguments.output, result={"status": "planned", "changes": changes, **summary}, text=_plan_text(plan))
        return 0
    stream = sys.stderr if arguments.output == "json" else sys.stdout
    results = apply_plan(
        plan,
        Work(
            apply=sent.apply,
            look=sent.look,
            name_error=_named,
            retry_policy=NetworkRetryPolicy,
            clock=SYSTEM_CLOCK,
        ),
        on_result=lambda _: None,
        on_stage_end=lambda: None,
        on_progress=_progress_printer(lambda line: print(line, file=stream, flush=True)),
        max_parallel=push.MAX_PARALLEL,
    )
    failed = [result for result in results if result.outcome != "done"]
    status = "failed" if failed else "succeeded" if results else "unchanged"
    summary |= {"status": status, "changes": [_change(result) for result in results]}
    summary |= {"error": _first_error(failed), "seconds": round(time.monotonic() - started, 3)}
    show(arguments.output, result=summary, text=_result_text(arguments.to, plan, results))
    return 1 if failed else 0


def _writer(arguments: argparse.Namespace, environ: Mapping[str, str]) -> ContainerRegistryWriter:
    if not arguments.to:
        raise CommandError(
            "which container registry is not said", remedy=f"give --to HOST, or set {HOST} (`source .lab/lab.env`)"
        )
    wire = ContainerRegistryWire(
        login_server=arguments.to, side=SIDE, session=new_session(), policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK
    )
    return ContainerRegistryWriter(wire=wire, source=_source(arguments, environ, wire), clock=SYSTEM_CLOCK)


def _source(arguments: argparse.Namespace, environ: Mapping[str, str], wire: ContainerRegistryWire) -> TokenSource:
    if arguments.entra:
        identity = credential(load({}, environ, None), environ)
        return EntraTokenSource(wire=wire, credential=identity, clock=SYSTEM_CLOCK)
    username = arguments.username or environ.get(USERNAME, "")
    password = sys.stdin.readline().rstrip("\r\n") if arguments.password_stdin else environ.get(PASSWORD, "")
    if not username or not password:
        raise RunbookError("VD-PUSH-004", f"no {'password' if username else 'user name'}")
    return PublisherTokenSource(wire=wire, username=username, password=password, clock=SYSTEM_CLOCK)


def _named(error: BaseException) -> RunbookError:
    return name_error(error) or RunbookError("VD-ENGINE-900", f"{type(error).__name__}: {error}")


def _progress_printer(write: Callable[[str], None]) -> Callable[[Progress], None]:
    """Return what writes the progress, at most every PROGRESS_SECONDS and not before they have passed."""
    told_at = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            write(str(progress))

    return on_progress


def _change(result: Result) -> dict[str, object]:
    error = result.error.as_json() if result.error else None
    return {**asdict(result.change), "outcome": result.outcome, "observed": result.observed, "error": error}


def _first_error(failed: Sequence[Result]) -> dict[str, object] | None:
    return next((result.error.as_json() for result in failed if result.error), None)


def _plan_text(plan: Plan) -> str:
    rows = []
    for change in plan.changes:
        kind, repository, reference = push.parts(change.target)
        rows.append((change.action, kind, repository, _short(reference), _short(change.before or "-")))
    title = f"plan: nothing was changed; {len(plan.unchanged)} of {len(rows) + len(plan.unchanged)} are there"
    return table(title, ("action", "kind", "repository", "reference", "before"), rows)


def _short(reference: str) -> str:
    """A digest's beginning is enough for a reader; --output json has all of it."""
    return reference[:19] if reference.startswith("sha256:") else reference


def _result_text(host: str, plan: Plan, results: Sequence[Result]) -> str:
    counted = Counter((result.change.action, result.outcome) for result in results)
    rows: list[tuple[str, str, int]] = [(action, outcome, count) for (action, outcome), count in counted.items()]
    rows.append(("-", "was there", len(plan.unchanged)))
    failures = [f"{result.change.target}: {result.error}\n" for result in results if result.error]
    return table(f"push to {host}", ("action", "outcome", "count"), rows) + "".join(failures)
