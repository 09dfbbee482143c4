"""How Azure Storage starts: the containers' policies, which the Blob front and the containers' ARM types share."""

from aiohttp import web
from aiohttp.typedefs import Middleware

from lab import snapshots
from lab.front.answers import BLOB_ERRORS, TABLE_ERRORS
from lab.front.sites import Site
from lab.resource_group.public_network import STORAGE, guard
from lab.resource_group.public_network import register as register_network
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.storage import access, azurite, front, provider
from lab.storage.access import STORAGE_AUDIENCES
from lab.storage.immutability import Immutability
from lab.subscriptions import Subscriptions

BLOB, TABLE = "blob", "table"
KEPT_OUT = "This request is not authorized to perform this operation."
SITES = {BLOB: Site(errors=BLOB_ERRORS), TABLE: Site(errors=TABLE_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    policies = Immutability()
    names = lab.names
    lab.on_keep.append(snapshots.of_attributes(policies, "policies", "version_level"))
    lab.audiences.update(STORAGE_AUDIENCES)
    lab.environment.update(
        {
            "VIBEDATA_BLOB_ENDPOINT": f"{lab.urls[BLOB]}/{names.storage_account}",
            "VIBEDATA_TABLE_ENDPOINT": f"{lab.urls[TABLE]}/{names.storage_account}",
            "VIBEDATA_PUBLISHER_BLOB_ENDPOINT": f"{lab.urls[BLOB]}/{names.publisher_storage_account}",
            "VIBEDATA_PUBLISHER_TABLE_ENDPOINT": f"{lab.urls[TABLE]}/{names.publisher_storage_account}",
        }
    )
    addresses = {site: lab.urls[site] for site in SITES}
    provider.register_account(subscriptions.customer, names.storage_account, addresses)
    provider.register_account(subscriptions.publisher, names.publisher_storage_account, addresses)
    provider.register(subscriptions.customer, policies)
    subscriptions.show({provider.ACCOUNT_TYPE: provider.ACCOUNT_API_VERSIONS})
    fronts = {BLOB: front.blob_routes(lab, policies), TABLE: front.table_routes(lab)}
    register_network(subscriptions.customer, STORAGE, provider.ACCOUNT_API_VERSIONS)
    for site, application in fronts.items():
        application.middlewares.append(_guard(lab, subscriptions, site))
    return fronts


def _guard(lab: Lab, subscriptions: Subscriptions, site: str) -> Middleware:
    """Return the check that keeps the public network out of the customer's account while its rules say so."""
    account = f"/{lab.names.storage_account}"

    def refuse() -> web.Response:
        return access.refuse(site, 403, "AuthorizationFailure", KEPT_OUT)

    def of_account(request: web.Request) -> bool:
        return f"{request.path}/".startswith(f"{account}/")

    return guard(subscriptions.customer, STORAGE, lab.names.storage_account, refuse, of_resource=of_account)


SERVICE = Service(sites=SITES, start=_start, real_servers=(azurite.SERVER,))
