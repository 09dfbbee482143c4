"""`python -m publisher`: serve the callback API on this machine's loopback, behind a proxy that ends TLS."""

import argparse
import logging
import os
import re
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from publisher.callback_api.api import CallbackApi
from publisher.callback_api.event_log import EventLog, LoggedEvents
from publisher.callback_api.gate import MAX_BODY_BYTES, CallbackGate
from publisher.callback_api.keys import CallbackKeys
from publisher.callback_api.nonces import CallbackNonces
from publisher.callback_api.reports import InstanceReports
from publisher.callback_api.service import NothingToRedact, ServiceSettings, clients
from publisher.callback_api.wsgi_asgi import WsgiCallbackAuth
from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 16
MAX_PORT = 65535
MAX_CONNECTIONS = 400
MAX_HEADER_BYTES = 16 * 1024
# A connection that is silent for this time is closed.
IDLE_SECONDS = 30
CLAIM_BYTES = 12
DESCRIPTION = """\
Serve the callback API on 127.0.0.1, over HTTP. A proxy in front must end TLS, and must not change host, path and query.

the environment:
  VIBEDATA_PUBLISHER_API                  the API's address, as instances know it: https://...
  VIBEDATA_PUBLISHER_TABLE_ENDPOINT       the publisher's table storage
  VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT   the publisher's vault
  VIBEDATA_PUBLISHER_CLIENT_ID            the managed identity to use; without IDENTITY_ENDPOINT, your own login
"""
EXAMPLES = """\
examples:
  python -m publisher --port 8080

Any number may run at once: they share only the tables and the vault. Events go to stdout, one JSON object a line.
"""


def _port(text: str) -> int:
    """Return a TCP port. Raises argparse.ArgumentTypeError."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"takes 0 to {MAX_PORT}, in digits, not {text[:40]!a}")
    return int(text)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT, and return 0. Return 2 if settings are missing or malformed."""
    from waitress.server import create_server

    parser = argparse.ArgumentParser(
        prog="python -m publisher",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=_port, required=True, help="TCP port of 127.0.0.1; 0: any that is free")
    arguments = parser.parse_args(argv)
    log = EventLog(SYSTEM_CLOCK)
    logging.basicConfig(level=logging.WARNING, handlers=[LoggedEvents(log)])
    try:
        application = build(ServiceSettings.load(environ), environ, log)
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    server = create_server(
        application,
        host="127.0.0.1",
        port=arguments.port,
        threads=THREADS,
        connection_limit=MAX_CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES + 1,  # it refuses a body of exactly this size, too
        ident=None,
    )
    # Like Ctrl-C: the server ends its threads.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log({"event": "listening", "port": server.effective_port})
    server.run()
    return 0


def build(settings: ServiceSettings, environ: Mapping[str, str], log: EventLog) -> "WSGIApplication":
    """Return the application behind its gate. Raises RunbookError VD-IDENTITY-001 in a sandbox without identity."""
    clock = SYSTEM_CLOCK
    tables, vault = clients(settings, environ, clock)
    base_path = urlsplit(settings.api).path
    keys = CallbackKeys(
        keys=HmacKeys(tables),
        custody=KeyCustody(vault, redactor=NothingToRedact(), clock=clock),
        base_path=base_path,
        clock=clock,
    )
    nonces = CallbackNonces(tables, new_claim=lambda: secrets.token_hex(CLAIM_BYTES), clock=clock)
    gate = CallbackGate(address=settings.api, keys=keys, nonces=nonces, log=log, clock=clock)
    api = CallbackApi(reports=InstanceReports(tables, clock=clock), base_path=base_path, log=log)
    return WsgiCallbackAuth(api, gate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
