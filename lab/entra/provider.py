"""Microsoft.ManagedIdentity/userAssignedIdentities: the identity that the runbooks run as, as ARM shows it.

lab/resource_group/provider.py answers GET. Left out: federated credentials, writes.
"""

from lab.arm.dispatch import Arm
from lab.resource_group.resources import resource


def register(arm: Arm) -> None:
    """Add the identity."""
    names = arm.lab.names
    properties = {
        "tenantId": names.tenant_id,
        "clientId": names.uami_client_id,
        "principalId": names.uami_principal_id,
    }
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    arm.deployed(lambda: [resource(arm.lab, kind, names.uami, properties)])
