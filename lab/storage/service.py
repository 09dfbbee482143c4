"""How Azure Storage starts: the policies of the containers, between the Blob front and the containers' ARM types."""

from lab.front.answers import BLOB_ERRORS, TABLE_ERRORS
from lab.front.sites import Site
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.storage import azurite, front, provider
from lab.storage.access import STORAGE_AUDIENCES
from lab.storage.immutability import Immutability
from lab.subscriptions import Subscriptions

BLOB, TABLE = "blob", "table"
SITES = {BLOB: Site(errors=BLOB_ERRORS), TABLE: Site(errors=TABLE_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    policies = Immutability()
    names = lab.names
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
    return {BLOB: front.blob_routes(lab, policies), TABLE: front.table_routes(lab)}


SERVICE = Service(sites=SITES, start=_start, real_servers=(azurite.SERVER,))
