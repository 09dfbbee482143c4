"""A command's way to a customer's Azure: the same settings, identity and clients that runbooks have."""

import os
import sys
from collections.abc import Mapping

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.trouble import once_in_a_while


def open_session(environ: Mapping[str, str] | None = None) -> AzureSession:
    """Return a session from the environment's VIBEDATA_* settings.

    Raises RunbookError VD-SETTINGS-* if a setting is missing or malformed, VD-IDENTITY-* where there is no identity.
    """
    environment = os.environ if environ is None else environ
    settings = load({}, environment, None)
    policy = NetworkRetryPolicy(tell=once_in_a_while(lambda line: sys.stderr.write(line + "\n"), SYSTEM_CLOCK))
    clients = AzureClients(
        settings=settings,
        credential=credential(settings, environment),
        retry_policy_source=lambda: policy,
        clock=SYSTEM_CLOCK,
    )
    return AzureSession(
        settings=settings, clients=clients, clock=SYSTEM_CLOCK, redactor=Redactor(), retry_policy=lambda: policy
    )
