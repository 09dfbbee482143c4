"""The place of the publisher's zone: one setting names it, and the official client of Azure DNS reaches it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from publisher.session import setting
from runbook_lib.azure.clients import ARM_SCOPE, pipeline_options
from runbook_lib.azure.names import is_resource_group
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.forms import GUID, PUBLIC_HOST, Form, fits
from runbook_lib.errors import publisher
from runbook_lib.network.retry import PolicySource
from runbook_lib.network.trouble import Place

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.mgmt.dns import DnsManagementClient

VARIABLE = "VIBEDATA_PUBLISHER_DNS_ZONE"
_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Network/dnsZones/([^/]+)", re.IGNORECASE
)
APEX = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsZone:
    """A public zone of Azure DNS. name: its domain in small letters, without a final dot."""

    subscription_id: str
    resource_group: str
    name: str

    @property
    def resource_id(self) -> str:
        """ARM id of the zone."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Network/dnsZones/{self.name}"
        )

    def relative(self, host: str) -> str:
        """Return the name of a host's record sets in this zone.

        Args:
            host: The full name in small letters, without a final dot.

        Raises:
            RunbookError: VD-DNS-001 if the host is not below the zone.
        """
        if not self.contains(host):
            raise publisher.NOT_IN_ZONE.error(f"the zone is {self.name}", target=host)
        return host.removesuffix(f".{self.name}")

    def contains(self, host: str) -> bool:
        """Return whether a host is below the zone. host: the same as for `relative`."""
        return host.endswith(f".{self.name}")

    def host(self, name: str) -> str:
        """Return the full name for a record set's `name`, without a final dot."""
        return self.name if name == APEX else f"{name}.{self.name}"


def _read(text: str) -> DnsZone | None:
    found = _ID.fullmatch(text)
    if found is None or not fits(GUID, found[1]) or not is_resource_group(found[2]):
        return None
    name = found[3].lower()
    return DnsZone(subscription_id=found[1], resource_group=found[2], name=name) if fits(PUBLIC_HOST, name) else None


ZONE: Form = (
    lambda text: _read(text) is not None,
    "the ARM id of a DNS zone, /subscriptions/GUID/resourceGroups/GROUP/providers/Microsoft.Network/dnsZones/NAME",
)


def zone_of(environ: Mapping[str, str]) -> DnsZone:
    """Return the publisher's zone.

    Raises:
        RunbookError: VD-SETTINGS-005 if VIBEDATA_PUBLISHER_DNS_ZONE is not set, VD-SETTINGS-002 if it is malformed.
    """
    found = _read(setting(environ, "dns_zone", ZONE))
    if found is None:  # `setting` has refused it
        raise ValueError(VARIABLE)
    return found


def zone_if_any(environ: Mapping[str, str]) -> DnsZone | None:
    """Return the publisher's zone, None if none is configured.

    Raises:
        RunbookError: VD-SETTINGS-002 if VIBEDATA_PUBLISHER_DNS_ZONE is malformed.
    """
    return zone_of(environ) if environ.get(VARIABLE) else None


def dns_client(
    zone: DnsZone,
    *,
    arm_endpoint: str | None,
    credential: "TokenCredential",
    session: "requests.Session",
    retry_policy_source: PolicySource,
    clock: Clock,
) -> "DnsManagementClient":
    """Return the client of Azure DNS for the zone's subscription.

    Args:
        zone: The zone.
        arm_endpoint: The endpoint of ARM, None for the public Azure cloud.
        credential, session, retry_policy_source, clock: AzureClients explains them.
    """
    from azure.mgmt.dns import DnsManagementClient

    place = Place("Azure DNS", zone.resource_id, "Reader", "DNS Zone Contributor")
    return DnsManagementClient(
        credential,
        zone.subscription_id,
        base_url=arm_endpoint,
        credential_scopes=[ARM_SCOPE],
        **pipeline_options(session, retry_policy_source, clock, place),
    )
