"""What a command needs to talk to a customer's Azure: settings, identity and clients, as the runbooks have them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.azure_clients import AzureClients
from runbook_lib.clock import SYSTEM_CLOCK
from runbook_lib.identity import credential
from runbook_lib.retry import NetworkRetryPolicy
from runbook_lib.sdk_retry import SdkRetryPolicy
from runbook_lib.settings import Settings, load

if TYPE_CHECKING:
    from azure.mgmt.automation import AutomationClient

ARM_SCOPE = "https://management.azure.com/.default"


@dataclass(frozen=True, slots=True)
class AzureSession:
    """Settings and clients of one command's run."""

    settings: Settings
    clients: AzureClients
    automation: "AutomationClient"


def open_session(environ: Mapping[str, str] | None = None) -> AzureSession:
    """Return a session from the environment's VIBEDATA_* settings.

    Raises RunbookError VD-SETTINGS-* where a setting is missing or malformed, VD-IDENTITY-* where there is no identity.
    """
    from azure.mgmt.automation import AutomationClient

    environment = os.environ if environ is None else environ
    settings = load({}, environment, None)
    identity = credential(settings, environment)
    policy = NetworkRetryPolicy()
    clients = AzureClients(
        settings=settings, credential=identity, retry_policy_source=lambda: policy, clock=SYSTEM_CLOCK
    )
    automation = AutomationClient(
        identity,
        settings.subscription_id,
        base_url=settings.arm_endpoint,
        credential_scopes=[ARM_SCOPE],
        retry_policy=SdkRetryPolicy(lambda: policy, clock=SYSTEM_CLOCK),
    )
    return AzureSession(settings, clients, automation)
