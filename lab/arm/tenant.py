"""What ARM serves outside any subscription: the cloud's own addresses, the tenant, and which subscriptions there are.

Faithful: `/metadata/endpoints` needs no token and has the fields of 2022-09-01 that azure-cli-core's cloud.py reads, so
that `az cloud register --endpoint-resource-manager` makes a cloud of it. `/tenants`, `/subscriptions`,
`/subscriptions/{id}` and its locations are as azure-mgmt-resource-subscriptions (2022-12-01) reads them. A principal
sees only the subscriptions that know it. Left out: management groups, tenant-level throttling, pages (there are two
subscriptions), and services that the lab does not have (`graphAudience` and the like are named, but nothing answers
there).

The suffixes of host names end in `.invalid` (RFC 2606). The lab's services have addresses instead of names, and clients
are told these addresses (`--id`, `--blob-endpoint`, `loginServer`). A name that a client makes up leads nowhere.
Sources: learn rest/api/resources (tenants, subscriptions).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

from lab.arm.access import ARM_AUDIENCES, answered, caller, split_path
from lab.arm.dispatch import Arm
from lab.arm.requests import ArmRefusal, api_version, invalid_api_version
from lab.arm.types import known_version
from lab.shared import Lab

METADATA_API_VERSIONS = ("2022-09-01",)
SUBSCRIPTION_API_VERSIONS = ("2022-12-01", "2022-09-01", "2021-01-01", "2020-01-01", "2019-11-01", "2019-06-01")
NOWHERE = "lab.invalid"
# The lab's own region and its pair: name, display name, geography group, longitude, latitude, place, name of the pair.
LOCATIONS = (
    ("westeurope", "West Europe", "Europe", "4.9", "52.3667", "Netherlands", "northeurope"),
    ("northeurope", "North Europe", "Europe", "-6.2597", "53.3478", "Ireland", "westeurope"),
)


class Tenant:
    """The front of ARM. It serves the tenant's own paths, and passes all other requests on to a subscription's Arm."""

    def __init__(self, *, lab: Lab, subscriptions: Sequence[Arm]) -> None:
        """Serve `subscriptions`. The first one answers requests that name no subscription."""
        self._lab = lab
        self._arms = {arm.home.subscription_id: arm for arm in subscriptions}
        self._first = subscriptions[0]
        for arm in subscriptions:
            arm.scoped((), {"GET": self._of(self._subscription, arm)})
            arm.scoped(("locations",), {"GET": self._of(self._locations, arm)})

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer any request to ARM."""
        path = [segment.lower() for segment in split_path(request)]
        if path == ["metadata", "endpoints"]:
            return await answered(request, self._endpoints)
        if path in (["subscriptions"], ["tenants"]):
            return await answered(request, self._subscriptions if path == ["subscriptions"] else self._tenants)
        arm = self._arms.get(path[1], self._first) if path[:1] == ["subscriptions"] else self._first
        return await arm.dispatch(request)

    async def _endpoints(self, request: web.Request) -> web.Response:
        _only(request, {"api-version"})
        self._require_version(api_version(request), METADATA_API_VERSIONS)
        _require_get(request)
        return web.json_response(_metadata(self._lab))

    async def _tenants(self, request: web.Request) -> web.Response:
        self._checked(request)
        caller(self._lab, request)
        tenant_id = self._lab.names.tenant_id
        tenant = {
            "id": f"/tenants/{tenant_id}",
            "tenantId": tenant_id,
            "displayName": "Vibedata lab",
            "defaultDomain": "vibedatalab.onmicrosoft.com",
            "domains": ["vibedatalab.onmicrosoft.com"],
            "countryCode": "NL",
            "tenantCategory": "Home",
            "tenantType": "AAD",
        }
        return web.json_response({"value": [tenant]})

    async def _subscriptions(self, request: web.Request) -> web.Response:
        self._checked(request)
        claims = caller(self._lab, request)
        shown = [self._shown(arm) for arm in self._arms.values() if arm.admits(claims)]
        return web.json_response({"value": shown, "count": {"type": "Total", "value": len(shown)}})

    async def _subscription(self, request: web.Request, arm: Arm) -> web.Response:
        self._checked(request)
        return web.json_response(self._shown(arm))

    async def _locations(self, request: web.Request, arm: Arm) -> web.Response:
        self._checked(request, {"includeExtendedLocations"})
        return web.json_response({"value": _locations(f"/subscriptions/{arm.home.subscription_id}")})

    def _shown(self, arm: Arm) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{arm.home.subscription_id}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": arm.home.subscription_id,
            "tenantId": self._lab.names.tenant_id,
            "displayName": "Vibedata publisher" if arm.home.publishers else "Vibedata customer",
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }

    def _checked(self, request: web.Request, more: Collection[str] = ()) -> None:
        """Refuse a method or an api-version that the tenant's own operations do not have."""
        self._require_version(api_version(request), SUBSCRIPTION_API_VERSIONS)
        _only(request, {"api-version", *more})
        _require_get(request)

    def _require_version(self, version: str, known: Sequence[str]) -> None:
        if not known_version(version, known, now=self._lab.clock.now()):
            raise invalid_api_version(version, known)

    @staticmethod
    def _of(answer: Callable[..., Any], arm: Arm) -> Callable[[web.Request], Any]:
        return lambda request: answer(request, arm)


def _require_get(request: web.Request) -> None:
    if request.method != "GET":
        message = f"The requested resource does not support http method '{request.method}'."
        raise ArmRefusal(405, "MethodNotAllowed", message)


def _only(request: web.Request, known: Collection[str]) -> None:
    unknown = sorted(set(request.query) - set(known))
    if unknown:
        raise ArmRefusal(400, "InvalidQueryParameter", f"The query parameter '{unknown[0]}' is not valid.")


def _metadata(lab: Lab) -> Mapping[str, Any]:
    return {
        "name": "VibedataLab",
        "portal": f"https://portal.{NOWHERE}",
        "authentication": {
            "loginEndpoint": lab.urls["entra"],
            "audiences": [f"{audience}/" for audience in reversed(ARM_AUDIENCES)],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": lab.urls["arm"] + "/",
        "graph": f"https://graph.{NOWHERE}/",
        "graphAudience": f"https://graph.{NOWHERE}/",
        "microsoftGraphResourceId": f"https://graph.{NOWHERE}/",
        "gallery": f"https://gallery.{NOWHERE}/",
        "batch": f"https://batch.{NOWHERE}/",
        "media": f"https://media.{NOWHERE}",
        "sqlManagement": f"https://sql-management.{NOWHERE}/",
        "vmImageAliasDoc": f"https://images.{NOWHERE}/aliases.json",
        "logAnalyticsResourceId": lab.urls["logs_query"],
        "suffixes": {
            "acrLoginServer": f"azurecr.{NOWHERE}",
            "keyVaultDns": f"vault.{NOWHERE}",
            "storage": f"core.{NOWHERE}",
            "sqlServerHostname": f"database.{NOWHERE}",
        },
    }


def _locations(subscription: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{subscription}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": display_name,
            "regionalDisplayName": f"({group}) {display_name}",
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Recommended",
                "geography": group,
                "geographyGroup": group,
                "longitude": longitude,
                "latitude": latitude,
                "physicalLocation": place,
                "pairedRegion": [{"name": pair, "id": f"{subscription}/locations/{pair}"}],
            },
        }
        for name, display_name, group, longitude, latitude, place, pair in LOCATIONS
    ]
