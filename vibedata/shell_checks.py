"""Checks before a command begins. They find mistakes in the shell and name them at once."""

import difflib
import socket
import sys
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import fields

from runbook_lib.azure.settings import ENVIRONMENT_PREFIX, Settings
from runbook_lib.errors import azure

# Variables that are not settings of an instance: the publisher's, a build's, and those of lab.env for other clients.
OTHER_VARIABLES = frozenset(
    ENVIRONMENT_PREFIX + name
    for name in (
        "INSTANCE",
        "PUBLISHER_CLIENT_ID",
        "PUBLISHER_BLOB_ENDPOINT",
        "PUBLISHER_KEY_VAULT_ENDPOINT",
        "PUBLISHER_TABLE_ENDPOINT",
        "PUBLISHER_SUBSCRIPTION_ID",
        "PUBLISHER_RESOURCE_GROUP",
        "PUBLISHER_REGISTRY_NAME",
        "PUBLISHER_REGISTRY_USERNAME",
        "PUBLISHER_REGISTRY_PASSWORD",
        "PUBLISHER_TOKEN_NAME",
        "PUBLISHER_DNS_ZONE",
        "PUBLISHER_ACME_DIRECTORY",
        "SIGNING_KEY",
        "SIGNING_CHAIN",
        "CUSTOMER_REGISTRY_USERNAME",
        "CUSTOMER_REGISTRY_PASSWORD",
        "LOGS_QUERY_ENDPOINT",
        "LAB_CONTROL",
    )
)
# How similar two names must be (difflib's ratio): one or two letters may be wrong, missing or additional.
ALIKE = 0.8
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LAB_CONNECT_SECONDS = 2.0


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` - did you mean '...'?` with the known word that is most similar to `word`, "" if none is."""
    words = list(known)
    # In a short word, letters in another order are too many differences for difflib.
    found = difflib.get_close_matches(word, words, n=1, cutoff=ALIKE) or [
        each for each in words if sorted(each) == sorted(word)
    ]
    return f" - did you mean '{found[0]}'?" if found else ""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable VIBEDATA_... that looks like a setting but is not one. Pure."""
    known = {ENVIRONMENT_PREFIX + item.name.upper() for item in fields(Settings)} | OTHER_VARIABLES
    unknown = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known)
    return [f"{name} is no setting and is not read{hint}" for name in unknown if (hint := nearest(name, known))]


def warn_of_variables(environ: Mapping[str, str]) -> None:
    """Write the warnings of `unknown_variables` to standard error."""
    for warning in unknown_variables(environ):
        sys.stderr.write(f"warning: {warning}\n")


def require_lab(environ: Mapping[str, str]) -> None:
    """If the shell points at a lab, check that the lab runs. Raises RunbookError VD-NET-001 if it does not.

    If an address of this machine refuses connections, the lab has ended. If it is silent, the command finds that out.
    """
    try:
        address = urllib.parse.urlsplit(environ.get(ENVIRONMENT_PREFIX + "ARM_ENDPOINT", ""))
        host, port = address.hostname or "", address.port or 443
    except ValueError:
        return  # the check of the setting reports it
    if host not in LOOPBACK:
        return
    try:
        socket.create_connection((host, port), timeout=LAB_CONNECT_SECONDS).close()
    except ConnectionRefusedError as error:
        raise azure.UNREACHABLE.error(
            "the lab is not running: VIBEDATA_ARM_ENDPOINT points at this machine, and nothing listens there",
            target=f"{host}:{port}",
            remedy="Run `vibedata lab up --detach`, then `source .lab/lab.env`. To use Azure itself, take a"
            " shell without the lab's variables.",
        ) from error
    except OSError:
        return
