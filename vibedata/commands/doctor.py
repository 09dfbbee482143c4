"""`vibedata doctor`: find everything that is wrong with a running instance."""

import argparse

from vibedata.instances import choice
from vibedata.preflight.command import add_only_here, look_and_show
from vibedata.preflight.instance_checks import check_instance
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata doctor --instance k3v9x2p7
  vibedata doctor --only-here         start no job: see what can be seen from here
  vibedata doctor --output json

It changes nothing. It makes every check of `vibedata preflight`, and it checks the running instance: component
registry, status, last jobs, credentials, the schedule of check_health, the spools, and whether runbooks and packages
are those of the installed release. Exit code 0: nothing is bad; 1: something is bad.

Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `doctor` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="find everything that is wrong with a running instance; change nothing",
        description="Find everything that is wrong with a running instance.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_only_here(parser)
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the table and return 0, or 1 if a row is bad."""
    session, customer = open_customer(arguments)
    return look_and_show("doctor", arguments, session, customer, further=check_instance(session, customer))
