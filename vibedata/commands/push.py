"""`vibedata push DIR`: send a built release to the publisher's container registry."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from oci import push
from oci.container_registry.writer import ContainerRegistryWriter
from oci.push import Push
from oci.release.built import BuiltRelease
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.digest import is_digest
from runbook_lib.change import Plan, Result
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.wire import PUBLISHER, Side
from runbook_lib.engine import Work, apply_plan
from runbook_lib.errors import build
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.trust.signature import TrustPolicy
from vibedata.change_errors import name_any
from vibedata.output import show, table
from vibedata.progress import progress_printer
from vibedata.release import trusted_signer
from vibedata.release.check import BuiltReleaseFolder, Findings, check
from vibedata.release.publisher_registry import (
    HOST,
    PASSWORD,
    USERNAME,
    add_login,
    default_host,
    open_wire,
    token_source,
)
from vibedata.release.validated import Validated, rows
from vibedata.release.validation import CONTENT
from vibedata.terminal import told

SIDE = Side(unreachable=PUBLISHER.unreachable, refused=build.PUSH_REFUSED)
PROGRESS_SECONDS = 2.0
# A warning names at most this number of artifacts that are not sent, and this number of characters of each name.
MAX_NAMED = 5
MAX_NAME_CHARACTERS = 100
EXAMPLES = f"""\
examples:
  vibedata push dist --plan                            show what it would send; change nothing
  vibedata push dist --to vibedata.azurecr.io --entra  with this shell's Azure login
  pass acr | vibedata push dist --to vibedata.azurecr.io --username ci --password-stdin
  source .lab/lab.env; vibedata push dist              to the lab

Without --to, {HOST} names the container registry; without --username and --entra,
{USERNAME} and {PASSWORD} are the credentials for this container registry.
The command first verifies the release, as every customer will: who signed it, that it is whole, that Automation takes
its runbooks and packages, and that its images can be pulled. If anything is bad, it sends nothing. Name the trusted
signers with --trust-root and --identity, or with {trusted_signer.ROOTS} and {trusted_signer.IDENTITY}.
It sends only what the release manifest pins, and nothing that is there already. A version's tag never moves; `latest`
moves last. If `latest` would move back to an older release, the command says so first.
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
    parser.add_argument("build", type=Path, metavar="DIR", help="the folder that `vibedata build` made")
    parser.add_argument(
        "--to", default=default_host(), metavar="HOST", help="the container registry to push to: host, or host:port"
    )
    parser.add_argument("--plan", action="store_true", help="show the changes, but make none")
    trusted_signer.add_options(parser, os.environ)
    add_login(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Push and return the exit code."""
    started = time.monotonic()
    # Check the options before anything is read.
    writer, policy = _writer(arguments, os.environ), trusted_signer.policy(arguments, os.environ)
    place, now = BuiltReleaseFolder(arguments.build), SYSTEM_CLOCK.now()
    findings = check(place, policy, now)
    if findings.error is not None:
        raise findings.error
    built = place.believed(policy, now)
    sent = Push(built=built, writer=writer)
    facts = sent.observe()
    plan, warnings = push.plan(facts), [*push.warnings(facts), *_left_out(built)]
    _require_good(place, policy, now, writer.reader())
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)  # noqa: T201 - what a command says
    summary: dict[str, object] = {
        "version": built.manifest.version,
        "container_registry": arguments.to,
        "signed_by": dict(findings.certificate),
        "unchanged": len(plan.unchanged),
        "warnings": warnings,
    }
    if arguments.plan:
        changes = [change.as_json() for change in plan.changes]
        show(
            arguments.output,
            result={"status": "planned", "changes": changes, **summary},
            text=_plan_text(plan, findings),
        )
        return 0
    stream = sys.stderr if arguments.output == "json" else sys.stdout
    results = apply_plan(
        plan,
        Work(
            actions=sent.actions(),
            as_runbook_error=name_any,
            retry_policy=NetworkRetryPolicy,
            clock=SYSTEM_CLOCK,
        ),
        on_result=lambda _: None,
        on_stage_end=lambda: None,
        on_progress=progress_printer(lambda line: print(line, file=stream, flush=True)),
        max_parallel=push.MAX_PARALLEL,
    )
    failed = [result for result in results if result.outcome != "done"]
    status = "failed" if failed else "succeeded" if results else "unchanged"
    summary |= {"status": status, "changes": [_change(result) for result in results]}
    summary |= {"error": _first_error(failed), "seconds": round(time.monotonic() - started, 3)}
    show(arguments.output, result=summary, text=_result_text(arguments.to, plan, results))
    return 1 if failed else 0


def _writer(arguments: argparse.Namespace, environ: Mapping[str, str]) -> ContainerRegistryWriter:
    wire = open_wire(arguments.to, SIDE, option="--to HOST")
    return ContainerRegistryWriter(wire=wire, source=token_source(arguments, environ, wire), clock=SYSTEM_CLOCK)


def _require_good(
    place: BuiltReleaseFolder, policy: TrustPolicy, now: datetime, reader: ContainerRegistryReader
) -> None:
    """Refuse a release that customers could not use.

    Raise the error of the first bad finding. Before that, print the errors of the other bad findings.
    """
    with TemporaryDirectory() as folder:
        validated = Validated(place=place, policy=policy, now=now, folder=Path(folder), reader=reader)
        found = [finding for _, finding in rows(CONTENT, validated, lambda _: None)]
    errors = [finding.error for finding in found if finding.error is not None]
    for error in errors[1:]:
        print(f"warning: {told(error.message)}", file=sys.stderr, flush=True)  # noqa: T201 - what a command says
    if errors:
        raise errors[0]


def _change(result: Result) -> dict[str, object]:
    error = result.error.as_json() if result.error else None
    return {**result.change.as_json(), "outcome": result.outcome, "observed": result.observed, "error": error}


def _first_error(failed: Sequence[Result]) -> dict[str, object] | None:
    return next((result.error.as_json() for result in failed if result.error), None)


def _left_out(built: BuiltRelease) -> list[str]:
    """Return a warning if the folder holds artifacts that are not part of the release."""
    if not built.others:
        return []
    # Anybody may have made the folder's index, so its names are shown in plain ASCII.
    named = ", ".join(ascii(name[:MAX_NAME_CHARACTERS])[1:-1] for name in built.others[:MAX_NAMED])
    more = ", ..." if len(built.others) > MAX_NAMED else ""
    return [f"not sent, because the release does not pin it: {named}{more}"]


def _plan_text(plan: Plan, findings: Findings) -> str:
    rows = []
    for change in plan.changes:
        place: push.Place = change.subject
        rows.append(
            (change.action, place.kind, place.repository, _short(place.reference), _short(change.before or "-"))
        )
    title = f"plan: nothing was changed; {len(plan.unchanged)} of {len(rows) + len(plan.unchanged)} are there"
    signer = f"signed by {findings.certificate['subject']}, whom this machine trusts\n"
    shown = table(title, ("action", "kind", "repository", "reference", "before"), rows) if rows else f"{title}\n"
    return shown + signer


def _short(reference: str) -> str:
    """Return the beginning of a digest. That is enough for a reader, and --output json has all of it."""
    return reference[:19] if is_digest(reference) else reference


def _result_text(host: str, plan: Plan, results: Sequence[Result]) -> str:
    counted = Counter((result.change.action, result.outcome) for result in results)
    rows: list[tuple[str, str, int]] = [(action, outcome, count) for (action, outcome), count in counted.items()]
    rows.append(("-", "was there", len(plan.unchanged)))
    failures = [f"{result.change.target}: {result.error}\n" for result in results if result.error]
    return table(f"push to {host}", ("action", "outcome", "count"), rows) + "".join(failures)
