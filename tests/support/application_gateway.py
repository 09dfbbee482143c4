"""The official client of Microsoft.Network, for the lab's Application Gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.identity import ManagedIdentityCredential
from azure.mgmt.network import NetworkManagementClient

from tests.support.arm import SCOPE
from tests.support.running_lab import LabUnderTest

GATEWAY, POLICY, ADDRESS = "vibedata-gateway", "vibedata-gateway-waf", "vibedata-gateway-ip"


@contextmanager
def network_client(lab: LabUnderTest) -> Iterator[NetworkManagementClient]:
    """Give a client of the customer's subscription, as the identity of the runbooks."""
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        NetworkManagementClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        ) as client,
    ):
        yield client


def under(etag: str) -> dict[str, Any]:
    """Return what makes a write happen under an ETag."""
    return {"headers": {"If-Match": etag}}
