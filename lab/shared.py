"""What every part of one running lab shares: its names, clock, gate, tokens and addresses."""

import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from lab.authorization.state import Authorization
from lab.clock import LabClock
from lab.container_registry.index import ContainerRegistryIndex
from lab.container_registry.scoped_tokens import RegistryTokens, new_value
from lab.front.gate import Gate
from lab.key_vault.objects import VaultOptions
from lab.monitor.tables import LogTables
from lab.publisher.signing_material import SigningMaterial
from lab.storage.immutability import Immutability
from lab.tokens import TokenIssuer

KEY_VAULTS = ("key_vault", "publisher_key_vault")

# Also in the journal and in faults: the applications of lab/resource_group/application_endpoints.py, which have many
# addresses.
APPLICATION = "application"

ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
STORAGE_AUDIENCES = ("https://storage.azure.com",)
MONITOR_AUDIENCES = ("https://monitor.azure.com",)
LOGS_QUERY_AUDIENCES = ("https://api.loganalytics.io",)
CONTAINER_REGISTRY_AUDIENCES = ("https://containerregistry.azure.net",)
KEY_VAULT_AUDIENCES = ("https://vault.azure.net",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names and ids of the lab's one customer and one publisher; the passwords are new with each lab."""

    tenant_id: str = "7a6c1b1e-0c5f-4d8e-9a55-3f1a6a0f2b01"
    subscription_id: str = "2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02"
    location: str = "westeurope"
    prefix: str = "vibedata"
    resource_group: str = "vibedata-managed"
    automation_account: str = "vibedata-automation"
    storage_account: str = "vibedatastorage"
    publisher_storage_account: str = "vibedatapublisher"
    key_vault: str = "vibedata-kv"
    customer_registry: str = "vibedataacr"
    publisher_registry: str = "vibedata"
    publisher_subscription_id: str = "3e5dfb1f-7a1e-4b5f-9b78-7a8e0c9d8a0a"
    publisher_resource_group: str = "vibedata-publisher"

    workspace: str = "vibedata-logs"
    workspace_id: str = "5b7fd2a4-55c0-4f8d-b7e1-0c1f7f5f9d03"
    dcr: str = "vibedata-operations"
    dcr_immutable_id: str = "dcr-3c1d5a7e9b0f4e2d8a6c4b2e0f1d3a5b"
    operations_table: str = "VibeData_Operations_CL"

    # The identity that the runbooks run as.
    uami: str = "vibedata-uami"
    uami_client_id: str = "c0a1b2d3-1111-4a4b-8c8d-0e0f1a2b3c04"
    uami_principal_id: str = "d1b2c3e4-2222-4b5c-9d9e-1f102b3c4d05"
    # The publisher's operator, an application of the same tenant in the lab.
    operator_client_id: str = "e2c3d4f5-3333-4c6d-8eaf-2a213c4d5e06"
    operator_principal_id: str = "f3d4e5a6-4444-4d7e-9fb0-3b324d5e6f07"
    operator_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))

    # The identity that the publisher's callback API runs as.
    publisher_client_id: str = "14b5c6d7-5555-4e8f-8ac1-4c435e6f7a08"
    publisher_principal_id: str = "25c6d7e8-6666-4f9a-9bd2-5d546f7a8b09"

    # Full rights on each container registry, as an engineer's tool needs.
    publisher_registry_username: str = "publisher"
    publisher_registry_password: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    customer_registry_username: str = "customer"
    customer_registry_password: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    # The repository-scoped read-only token that the customer's Key Vault holds in secret `publisher-acr-token`, and the
    # first of its passwords.
    publisher_token_username: str = "customer-2f4cfa0e"  # noqa: S105 - a name
    publisher_token_password: str = field(default_factory=new_value)

    @property
    def resource_group_id(self) -> str:
        """ARM id of the managed resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def uami_id(self) -> str:
        """ARM id of the user-assigned managed identity."""
        return f"{self.resource_group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.uami}"


@dataclass(slots=True, kw_only=True)
class Lab:
    """One running lab. Stand-ins take what they need from it and add their hooks to it."""

    names: Names
    dir: Path  # absolute; everything that the lab writes is below it
    publisher_root: Path  # the folder with the package `publisher`, the callback API
    clock: LabClock
    gate: Gate
    tokens: TokenIssuer
    ca_file: Path  # PEM of the certificate authority that every TLS site's certificate chains to
    server_ssl: ssl.SSLContext
    signing: SigningMaterial  # what the publisher signs releases with; the key is in its vault
    # Base address of each service of lab/main.py, without a trailing slash: https://127.0.0.1:PORT (control, identity:
    # http). The names are those of the journal and of faults. Complete before any stand-in's `routes` is called.
    urls: dict[str, str]
    # Base addresses of the real servers behind the fronts: "blob", "table" (https, the lab's certificate),
    # "publisher_registry", "customer_registry" (http).
    real_urls: dict[str, str]
    # `127.0.0.1:PORT` of each of Vibedata's applications, by name.
    applications: dict[str, str]
    # The publisher's repository-scoped tokens: ARM makes their passwords, the container registry's data plane asks.
    registry_tokens: RegistryTokens
    # For requests to the real servers: trusts the lab's CA, adds no header, decodes nothing (lab/front/proxy.py).
    upstream: aiohttp.ClientSession
    # What this machine cannot give as Azure would; said to whoever starts the lab or asks for its status.
    warnings: list[str] = field(default_factory=list)
    # Called at POST /reset, in order; each clears its stand-in's state. The first empties the real servers. What makes
    # requests of its own accord (the jobs) is to be ended before that: it inserts its hook at the front.
    on_reset: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    # Called when the lab ends, in reverse order, e.g. to end running jobs.
    on_close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    # X-IDENTITY-HEADER value -> the job it was given to (None: the engineer's, in lab.env).
    identity_headers: dict[str, str | None] = field(default_factory=dict)
    # The one that the publisher's callback API gets.
    publisher_identity_header: str = field(default_factory=lambda: secrets.token_hex(16).upper())
    # What two stand-ins share: the storage front and ARM; ingestion and query.
    # Who may do what: every service asks before it serves.
    authorization: Authorization = field(default_factory=Authorization)
    immutability: Immutability = field(default_factory=Immutability)
    log_tables: LogTables = field(default_factory=LogTables)
    # What the container registries hold, by service: their fronts, and ARM's importImage.
    container_registries: dict[str, ContainerRegistryIndex] = field(
        default_factory=lambda: {name: ContainerRegistryIndex() for name in ("publisher_registry", "customer_registry")}
    )
    # What is set of the vaults, by service.
    vault_options: dict[str, VaultOptions] = field(default_factory=dict)
    # What stand-ins add to the control API: (method, path) -> what answers it, given the body (None for GET) and
    # returning what is shown; InvalidFaultError refuses.
    controls: dict[tuple[str, str], Callable[[object], Awaitable[object]]] = field(default_factory=dict)
    # What GET /jobs of the control API shows; the Automation stand-in sets it.
    jobs_view: Callable[[], list[Mapping[str, object]]] = list

    def host(self, service: str) -> str:
        """Return `127.0.0.1:PORT` of a service."""
        return self.urls[service].partition("://")[2]

    def vault_resource(self, service: str) -> str:
        """Return the resource that a vault names in its challenge; lab/key_vault/front.py says why."""
        return "https://" + self.host(service).partition(".")[2]


def known_resources(lab: Lab) -> frozenset[str]:
    """Return the resources (audiences, without trailing slash) that tokens are issued for."""
    return frozenset(
        {
            *ARM_AUDIENCES,
            *STORAGE_AUDIENCES,
            *MONITOR_AUDIENCES,
            *LOGS_QUERY_AUDIENCES,
            *CONTAINER_REGISTRY_AUDIENCES,
            *KEY_VAULT_AUDIENCES,
            *map(lab.vault_resource, KEY_VAULTS),
            lab.urls["logs_query"],
        }
    )
