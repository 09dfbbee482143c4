"""Read the address and the credentials of the publisher's container registry from options and the environment."""

import argparse
import os
import sys
from collections.abc import Mapping

from runbook_lib.azure.identity import credential_of
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.tokens import EntraTokenSource, PublisherTokenSource, TokenSource
from runbook_lib.container_registry.wire import ContainerRegistryWire, Side
from runbook_lib.errors import build
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy

HOST = "VIBEDATA_PUBLISHER_REGISTRY"
USERNAME = "VIBEDATA_PUBLISHER_REGISTRY_USERNAME"
PASSWORD = "VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"  # noqa: S105 - the variable's name
# Azure alone gives names below these, in its three clouds (`az cloud list`, acrLoginServerEndpoint).
AZURE_REGISTRIES = (".azurecr.io", ".azurecr.cn", ".azurecr.us")


def add_login(parser: argparse.ArgumentParser) -> None:
    """Add the options for the credentials."""
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--username", metavar="USER", help="a user or token; give its password with --password-stdin")
    identity.add_argument("--entra", action="store_true", help="use this shell's Azure login")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def default_host() -> str:
    """Return the host that the environment names, "" for none."""
    return os.environ.get(HOST, "")


def open_wire(host: str, side: Side, *, option: str) -> ContainerRegistryWire:
    """Return the connection to a container registry. `option` names the option that gave `host`.

    Raises RunbookError VD-PUSH-004.
    """
    if not host:
        raise build.DESTINATION_UNCLEAR.error(f"there is no {option}, and no {HOST}")
    return ContainerRegistryWire(
        login_server=host, side=side, session=new_session(), policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK
    )


def token_source(arguments: argparse.Namespace, environ: Mapping[str, str], wire: ContainerRegistryWire) -> TokenSource:
    """Return the source of tokens: this shell's login, or a user with a password.

    A password from the environment goes only to the host that the environment names: `wire` may lead to another one,
    because a reference or an instance's document named it. The login's token goes to that host and to Azure's own
    container registries: it is good for every container registry that the person may use. Raises RunbookError
    VD-PUSH-004.
    """
    named, host = environ.get(HOST, ""), wire.login_server
    if arguments.entra:
        if not host.casefold().endswith(AZURE_REGISTRIES):
            _require_same_host(named, host, "the token of this shell's Azure login")
        # When the publisher pushes, there are no settings of a customer.
        identity = credential_of(environ.get("VIBEDATA_UAMI_CLIENT_ID", ""), environ)
        return EntraTokenSource(wire=wire, credential=identity, clock=SYSTEM_CLOCK)
    username = arguments.username or environ.get(USERNAME, "")
    password = sys.stdin.readline().rstrip("\r\n") if arguments.password_stdin else environ.get(PASSWORD, "")
    if not username or not password:
        raise build.DESTINATION_UNCLEAR.error(f"no {'password' if username else 'user name'}")
    if not arguments.password_stdin:
        _require_same_host(named, host, PASSWORD)
    return PublisherTokenSource(wire=wire, username=username, password=password, clock=SYSTEM_CLOCK)


def _require_same_host(named: str, host: str, secret: str) -> None:
    if named.casefold() != host.casefold():
        where = f"{HOST} names {named}" if named else f"there is no {HOST}"
        raise build.DESTINATION_UNCLEAR.error(
            f"{where}, so {secret} is not sent to this host",
            target=host,
            remedy=f"If you trust this host: set {HOST}={host}, or give --username and --password-stdin.",
        )
