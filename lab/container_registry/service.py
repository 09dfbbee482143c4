"""How the container registries start: what each holds, and the publisher's tokens, between data plane and ARM."""

from lab.container_registry import front, import_provider, provider, scope_maps_provider, tokens_provider
from lab.container_registry.access import CONTAINER_REGISTRY_AUDIENCES
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.container_registry.store import ContainerRegistryStore
from lab.front.answers import REGISTRY_ERRORS
from lab.front.sites import Site
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

PUBLISHER, CUSTOMER = "publisher_registry", "customer_registry"
SITES = {PUBLISHER: Site(errors=REGISTRY_ERRORS), CUSTOMER: Site(errors=REGISTRY_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    stores = {site: ContainerRegistryStore(lab=lab, service=site) for site in SITES}
    # The customer's container registry knows none of their names.
    tokens = RegistryTokens(now=lab.clock.now)

    async def clear() -> None:
        for store in stores.values():
            store.index.clear()

    lab.on_reset.append(clear)
    names = lab.names
    lab.audiences.update(CONTAINER_REGISTRY_AUDIENCES)
    lab.environment.update(
        {
            "VIBEDATA_PUBLISHER_REGISTRY_NAME": names.publisher_registry,
            "VIBEDATA_PUBLISHER_TOKEN_NAME": names.publisher_token_username,
            "VIBEDATA_PUBLISHER_REGISTRY": lab.host(PUBLISHER),
            "VIBEDATA_PUBLISHER_REGISTRY_USERNAME": names.publisher_registry_username,
            "VIBEDATA_PUBLISHER_REGISTRY_PASSWORD": names.publisher_registry_password,
            "VIBEDATA_CUSTOMER_REGISTRY": lab.host(CUSTOMER),
            "VIBEDATA_CUSTOMER_REGISTRY_USERNAME": names.customer_registry_username,
            "VIBEDATA_CUSTOMER_REGISTRY_PASSWORD": names.customer_registry_password,
        }
    )
    provider.register_customers(subscriptions.customer, lab.host(CUSTOMER))
    provider.register_publishers(subscriptions.publisher, lab.host(PUBLISHER))
    import_provider.register(subscriptions.customer, stores[CUSTOMER])
    tokens_provider.register(subscriptions.publisher, tokens)
    scope_maps_provider.register(subscriptions.publisher, tokens)
    fronts = {site: front.routes(lab, site, store, tokens) for site, store in stores.items()}
    fronts[CUSTOMER].middlewares.append(provider.customers_guard(subscriptions.customer))
    return fronts


SERVICE = Service(sites=SITES, start=_start)
