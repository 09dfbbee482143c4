"""`vibedata rotate-hmac`: give an instance its first or a new key for callbacks.

No request is refused meanwhile, except in an emergency: --emergency revokes the existing keys first.
"""

import argparse
import os

from publisher.rotation.hmac_key_credential import hmac_key_rotation
from publisher.session import publisher_clients
from runbook_lib.basics.clock import SYSTEM_CLOCK
from vibedata.rotation.command import add_options, confirm, jobs_of, request_of, run_rotation
from vibedata.session import open_customer

EXAMPLES = """\
examples:
  vibedata rotate-hmac --plan                        show all steps; change nothing
  vibedata rotate-hmac                               go on until the new key is in use; say when to rerun
  vibedata rotate-hmac --wait --overlap-seconds 600  do everything; accept the former key for ten minutes more
  vibedata rotate-hmac --emergency                   the key is believed stolen: refuse it at once
  vibedata rotate-hmac --supersede ROTATION_ID       give up a rotation that cannot be finished
  vibedata rotate-hmac --instance k3v9x2p7
  vibedata rotate-hmac --output json

If a run was broken off, type the same command again: it goes on with the open rotation. Without --instance,
the customer's settings come from VIBEDATA_* in the environment. The publisher's settings always come from these:
VIBEDATA_PUBLISHER_TABLE_ENDPOINT and VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT. For the lab, first type:
source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `rotate-hmac` to the command line."""
    parser = subparsers.add_parser(
        "rotate-hmac",
        help="give an instance a new key for its callbacks",
        description="Provision or rotate the key that signs an instance's callbacks, on both sides.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rotate and return 0 if nothing failed."""
    session, customer = open_customer(arguments)
    confirm(arguments, customer)
    return run_rotation(
        arguments,
        session,
        customer,
        lambda view: hmac_key_rotation(
            instance_id=session.settings.instance_id,
            request=request_of(arguments),
            clients=publisher_clients(session.settings, session.clients, os.environ, SYSTEM_CLOCK),
            run_runbook=jobs_of(session, view),
            redactor=session.redactor,
            clock=SYSTEM_CLOCK,
        ),
    )
