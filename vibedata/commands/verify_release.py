"""`vibedata verify-release VERSION`: validate a promoted release before customers are told of it."""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import new_reader
from runbook_lib.container_registry.wire import PUBLISHER
from vibedata.output import show
from vibedata.preflight.rows import ORDER, as_json, row_of, state_of, text
from vibedata.progress import reporter
from vibedata.release import trusted_signer
from vibedata.release.check import ContainerRegistryRelease
from vibedata.release.publisher_registry import HOST, add_login, default_host, open_wire, token_source
from vibedata.release.validated import Validated, rows
from vibedata.release.validation import CHECKS

CHANNEL = "stable"
EXAMPLES = f"""\
examples:
  pass customer-token | vibedata verify-release 2026.11.0 --bicep infra --username customer-1 --password-stdin
  vibedata verify-release 2026.11.0 --bicep infra apps/studio.bicep --output json
  vibedata verify-release 2026.12.0 --channel preview --from vibedata.azurecr.io --bicep infra

Give the credentials of a customer's token, not the pipeline's own. Then the command also finds what a customer may not
pull.
Without --from, {HOST} names the container registry.

It checks that `latest` leads to this version, that the pinned root has signed it, that everything it pins can be
pulled, that Automation takes the runbooks and the packages, and that no Bicep file has a literal image tag. It makes
every check and shows all findings, the worst last. It changes nothing.
Exit code 0: all is good; 1: something is bad or cannot be looked at; 2: the arguments are not clear.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `verify-release` to the command line."""
    parser = subparsers.add_parser(
        "verify-release",
        help="validate a promoted release: what customers get, and the Bicep files",
        description="Validate a promoted release with a customer's rights, and the Bicep files that go with it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("version", metavar="VERSION", help="the version that was promoted")
    parser.add_argument("--channel", default=CHANNEL, metavar="NAME", help=f"its channel (default: {CHANNEL})")
    parser.add_argument(
        "--bicep",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="Bicep files, or folders of them; modules that they name are read, too",
    )
    parser.add_argument(
        "--from", dest="host", default=default_host(), metavar="HOST", help="the publisher's container registry"
    )
    trusted_signer.add_options(parser, os.environ)
    add_login(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Validate and return the exit code."""
    policy = trusted_signer.policy(arguments, os.environ)
    wire = open_wire(arguments.host, PUBLISHER, option="--from HOST")
    source = token_source(arguments, os.environ, wire)
    reader = new_reader(wire, source, SYSTEM_CLOCK)
    with TemporaryDirectory() as folder:
        validated = Validated(
            place=ContainerRegistryRelease(reader=reader, reference=arguments.version),
            policy=policy,
            now=SYSTEM_CLOCK.now(),
            folder=Path(folder),
            reader=reader,
            source=source,
            version=arguments.version,
            channel=arguments.channel,
            bicep=arguments.bicep,
        )
        found = rows(CHECKS, validated, reporter(arguments.output))
    shown = sorted((row_of(finding, where) for where, finding in found), key=lambda row: ORDER.index(row.state))
    show(
        arguments.output,
        result={"version": arguments.version, **as_json(shown)},
        text=text(f"release {arguments.version}", shown),
    )
    return 0 if state_of(shown) == "good" else 1
