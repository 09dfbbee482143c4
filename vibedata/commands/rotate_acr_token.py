"""`vibedata rotate-acr-token`: renew the token that lets a customer read the publisher's container registry."""

import argparse
import os

from vibedata.rotation.acr_token import acr_token_rotation
from vibedata.rotation.command import add_options, confirm, request_of, run_rotation
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata rotate-acr-token --plan                        show all steps; change nothing
  vibedata rotate-acr-token                               go on until the new password is in use; say when to rerun
  vibedata rotate-acr-token --wait --overlap-seconds 600  do everything; accept the former password for ten minutes more
  vibedata rotate-acr-token --emergency                   the token is believed stolen: delete its passwords at once
  vibedata rotate-acr-token --supersede ROTATION_ID       give up a rotation that cannot be finished
  vibedata rotate-acr-token --instance k3v9x2p7
  vibedata rotate-acr-token --output json

If a run was broken off, type the same command again: it goes on with the open rotation. Without --instance,
the customer's settings come from VIBEDATA_* in the environment. The publisher's settings always come from these:
VIBEDATA_PUBLISHER_TABLE_ENDPOINT, VIBEDATA_PUBLISHER_SUBSCRIPTION_ID, VIBEDATA_PUBLISHER_RESOURCE_GROUP,
VIBEDATA_PUBLISHER_REGISTRY_NAME and VIBEDATA_PUBLISHER_TOKEN_NAME. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `rotate-acr-token` to the command line."""
    parser = subparsers.add_parser(
        "rotate-acr-token",
        help="give a customer a new password for the publisher's container registry",
        description="Renew the token that lets a customer read the publisher's container registry, on both sides.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rotate and return 0 if nothing failed."""
    session, customer = open_customer(arguments)
    confirm(arguments, customer)
    request = request_of(arguments)
    return run_rotation(
        arguments,
        session,
        customer,
        lambda view: acr_token_rotation(session, customer.instance, os.environ, request, view),
    )
