"""How the container registries start: their content, and the publisher's tokens, which data plane and ARM share.

Each front has a Docker Registry of its own.
"""

import json
import re
import secrets
import shutil
from pathlib import Path

from lab import snapshots
from lab.container_registry import front, import_provider, provider, scope_maps_provider, tokens_provider
from lab.container_registry.access import CONTAINER_REGISTRY_AUDIENCES
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.container_registry.store import ContainerRegistryStore
from lab.front.answers import REGISTRY_ERRORS
from lab.front.sites import Site
from lab.machine import tools
from lab.machine.tools import Tool
from lab.real_servers import Ground, RealServer
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

PUBLISHER, CUSTOMER = "publisher_registry", "customer_registry"
SITES = {PUBLISHER: Site(errors=REGISTRY_ERRORS), CUSTOMER: Site(errors=REGISTRY_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    stores = {site: ContainerRegistryStore(lab=lab, service=site) for site in SITES}
    # Only the publisher's container registry knows these tokens (lab/container_registry/access.py).
    tokens = RegistryTokens(now=lab.clock.now)

    async def clear() -> None:
        for store in stores.values():
            store.index.clear()

    lab.on_reset.append(clear)
    lab.on_keep += [snapshots.of_attributes(store.index, "repositories") for store in stores.values()]
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
    subscriptions.show({provider.TYPE: import_provider.API_VERSIONS})
    fronts = {site: front.routes(lab, site, store, tokens) for site, store in stores.items()}
    fronts[CUSTOMER].middlewares.append(provider.customers_guard(subscriptions.customer))
    return fronts


def _docker_registry(name: str) -> RealServer:
    """Return the real server of one container registry; `name` is also that of its address in Lab.real_urls."""

    def command(ground: Ground) -> Tool:
        tool = tools.docker_registry()
        configuration = ground.directory / f"{name}.yml"
        # JSON is YAML. Without a descriptor cache, the data can be removed while the server runs.
        configuration.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    "log": {"level": "info", "accesslog": {"disabled": True}},
                    "storage": {
                        "filesystem": {"rootdirectory": str(ground.directory / name)},
                        "delete": {"enabled": True},
                        "maintenance": {"uploadpurging": {"enabled": False}},
                    },
                    # ACR accepts layers that are kept elsewhere (`urls`). Docker Registry's default refuses them.
                    "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},
                    # With relative Locations a client stays at the front that it came through.
                    "http": {"addr": "127.0.0.1:0", "relativeurls": True, "secret": secrets.token_hex(16)},
                }
            )
        )
        return Tool((*tool.command, "serve", str(configuration)), tool.environ)

    async def empty(_lab: Lab, directory: Path) -> None:
        shutil.rmtree(directory / name, ignore_errors=True)

    return RealServer(
        name=name,
        command=command,
        listening={name: re.compile(r"listening on (127\.0\.0\.1:\d+)")},
        scheme="http",
        empty=empty,
    )


SERVICE = Service(sites=SITES, start=_start, real_servers=tuple(map(_docker_registry, SITES)))
