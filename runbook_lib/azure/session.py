"""The common needs of runbooks and commands for one customer's Azure: settings, clients, clock, redactor, retry
policy.
"""

from dataclasses import dataclass

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.network.retry import PolicySource


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSession:
    """The way to one customer's Azure.

    `redactor` must learn every secret as soon as somebody reads it. `retry_policy` returns the network retry policy in
    force, for requests that no SDK makes.
    """

    settings: Settings
    clients: AzureClients
    clock: Clock
    redactor: Redactor
    retry_policy: PolicySource
