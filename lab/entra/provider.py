"""Microsoft.ManagedIdentity/userAssignedIdentities: the identity that the runbooks run as, as ARM shows it.

lab/resource_group/provider.py answers GET. Left out: federated credentials, writes.
"""

from lab.arm.dispatch import Arm
from lab.resource_group.resources import resource

TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"
API_VERSIONS = ("2024-11-30", "2023-01-31", "2025-05-31-preview")


def register(arm: Arm) -> None:
    """Add the identity."""
    names = arm.lab.names
    properties = {
        "tenantId": names.tenant_id,
        "clientId": names.uami_client_id,
        "principalId": names.uami_principal_id,
    }
    arm.deployed(lambda: [resource(arm.lab, TYPE, names.uami, properties)])
