"""The lock of one instance: a blob in the instance's own storage. The instance's own identity may write there."""

from dataclasses import replace
from typing import TYPE_CHECKING

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.deployment_lock.lapse import LEASE_SECONDS, RENEWALS_PER_LEASE
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.network.retry import NetworkRetryPolicy, PolicySource

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

CONTAINER, BLOB = "locks", "deployment"


def instance_place(
    settings: Settings, credential: "TokenCredential", *, retry_policy: PolicySource, clock: Clock
) -> LockPlace:
    """Return the place of an instance's lock. `retry_policy` returns the policy that `lock_policy` makes."""
    clients = AzureClients(settings=settings, credential=credential, retry_policy_source=retry_policy, clock=clock)
    return LockPlace(
        name="the lock of the instance",
        blob_service=clients.blob_service,
        container=CONTAINER,
        blob=BLOB,
        # A person with rights on the instance's blobs must not be able to choose another account.
        one_account=True,
    )


def lock_policy(policy: NetworkRetryPolicy) -> NetworkRetryPolicy:
    """Return the policy for a lock's requests.

    A request that hangs must leave time for another one before the lease ends.
    """
    return replace(policy, total_seconds=LEASE_SECONDS / RENEWALS_PER_LEASE)
