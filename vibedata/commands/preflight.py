"""`vibedata preflight`: everything that would make a deployment fail, found before it begins."""

import argparse

from vibedata.instances import choice
from vibedata.preflight.command import add_only_here, look_and_show
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata preflight --instance k3v9x2p7
  vibedata preflight --only-here      start no job: see what can be seen from here
  vibedata preflight --output json

It changes nothing. It looks from here, with your login. If the runbook preflight is published, it also looks from the
customer's sandbox, in a job with the identity of the runbooks. Below each bad row are the remedy and the command to
type. A row is unknown if nobody could look at it. Exit code 0: nothing is bad; 1: something is bad.

Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `preflight` to the command line."""
    parser = subparsers.add_parser(
        "preflight",
        help="find everything that would make a deployment fail; change nothing",
        description="Find everything that would make a deployment fail, before anything is changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_only_here(parser)
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the table and return 0, or 1 if a row is bad."""
    session, customer = open_customer(arguments)
    return look_and_show("preflight", arguments, session, customer)
