"""Clients of the publisher's own services: its vault, its tables, its subscription."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runbook_lib.azure.clients import AzureClients, new_table_service
from runbook_lib.azure.identity import credential_of
from runbook_lib.azure.names import CONTAINER_REGISTRY, CONTAINER_REGISTRY_TOKEN, RESOURCE_GROUP
from runbook_lib.azure.settings import Settings
from runbook_lib.basics import addresses
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.forms import GUID, URL, Form, fits
from runbook_lib.errors import azure
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy, PolicySource
from runbook_lib.network.trouble import Place

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.storage.blob import BlobServiceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResource:
    """The customer's repository-scoped token, a resource below the publisher's container registry."""

    subscription_id: str
    resource_group: str
    container_registry: str
    token: str

    @property
    def resource_id(self) -> str:
        """ARM id of the token."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.ContainerRegistry/registries/{self.container_registry}/tokens/{self.token}"
        )


def operator_tables(environ: Mapping[str, str], clock: Clock) -> "TableServiceClient":
    """Return a client of the publisher's tables under the shell's login, without a customer's settings.

    Raises RunbookError VD-SETTINGS-005, -002 for VIBEDATA_PUBLISHER_TABLE_ENDPOINT, VD-IDENTITY-*.
    """
    policy = NetworkRetryPolicy()
    return new_table_service(
        setting(environ, "table_endpoint", URL),
        credential_of(environ.get("VIBEDATA_UAMI_CLIENT_ID", ""), environ, clock=clock),
        session=new_session(),
        retry_policy_source=lambda: policy,
        clock=clock,
        place=Place("the publisher's tables", "", "Storage Table Data Reader", "Storage Table Data Contributor"),
    )


def publisher_tables(
    customer: Settings, clients: AzureClients, environ: Mapping[str, str], clock: Clock
) -> "TableServiceClient":
    """Return a client of the publisher's tables, under the same identity as `clients`.

    `customer` has the settings of the customer whose Azure `clients` are for. Raises RunbookError VD-SETTINGS-005, -002
    for VIBEDATA_PUBLISHER_TABLE_ENDPOINT.
    """
    settings = replace(customer, table_endpoint=setting(environ, "table_endpoint", URL))
    return _clients(settings, clients, clock).table_service


def publisher_blobs(
    customer: Settings, clients: AzureClients, environ: Mapping[str, str], clock: Clock, policy: PolicySource
) -> "BlobServiceClient":
    """Return a client of the publisher's blobs, under the same identity as `clients`.

    Args:
        customer: The settings of the customer whose Azure `clients` are for.
        clients: The clients whose identity is used.
        environ: The environment.
        clock: Gives the time.
        policy: The retry policy of the client's requests.

    Raises:
        RunbookError: VD-SETTINGS-005, -002 for VIBEDATA_PUBLISHER_BLOB_ENDPOINT.
    """
    settings = replace(customer, blob_endpoint=setting(environ, "blob_endpoint", URL))
    return _clients(settings, clients, clock, policy).blob_service


def publisher_clients(
    customer: Settings, clients: AzureClients, environ: Mapping[str, str], clock: Clock
) -> AzureClients:
    """Return clients of the publisher's vault and tables, under the same identity as `clients`.

    `customer` has the settings of the customer whose Azure `clients` are for. Raises RunbookError VD-SETTINGS-005, -002
    for VIBEDATA_PUBLISHER_TABLE_ENDPOINT and VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT.
    """
    _require(environ, {"table_endpoint": URL, "key_vault_endpoint": URL})
    settings = replace(
        customer,
        table_endpoint=setting(environ, "table_endpoint", URL),
        key_vault_endpoint=setting(environ, "key_vault_endpoint", URL),
    )
    return _clients(settings, clients, clock)


def token_resource(environ: Mapping[str, str]) -> TokenResource:
    """Return the customer's token.

    Raises RunbookError VD-SETTINGS-005, -002 for VIBEDATA_PUBLISHER_SUBSCRIPTION_ID, _RESOURCE_GROUP, _REGISTRY_NAME,
    _TOKEN_NAME.
    """
    _require(
        environ,
        {
            "subscription_id": GUID,
            "resource_group": RESOURCE_GROUP,
            "registry_name": CONTAINER_REGISTRY,
            "token_name": CONTAINER_REGISTRY_TOKEN,
        },
    )
    return TokenResource(
        subscription_id=setting(environ, "subscription_id", GUID),
        resource_group=setting(environ, "resource_group", RESOURCE_GROUP),
        container_registry=setting(environ, "registry_name", CONTAINER_REGISTRY),
        token=setting(environ, "token_name", CONTAINER_REGISTRY_TOKEN),
    )


def subscription_clients(customer: Settings, clients: AzureClients, subscription_id: str, clock: Clock) -> AzureClients:
    """Return ARM clients of the publisher's subscription, under the same identity as `clients`."""
    return _clients(replace(customer, subscription_id=subscription_id), clients, clock)


def _clients(
    settings: Settings, clients: AzureClients, clock: Clock, policy: PolicySource = NetworkRetryPolicy
) -> AzureClients:
    # These resources are not in the customer's group, so an error must not name a role there.
    return AzureClients(
        settings=replace(settings, resource_group=""),
        credential=clients.credential,
        retry_policy_source=policy,
        clock=clock,
    )


def setting(environ: Mapping[str, str], name: str, form: Form) -> str:
    """Return VIBEDATA_PUBLISHER_<NAME> of the environment. It must have the form `form`.

    Raises RunbookError VD-SETTINGS-005 (missing), -002 (malformed).
    """
    _require(environ, {name: form})
    variable = _variable(name)
    value = environ[variable].rstrip("/")
    takes = form[1]
    if not fits(form, value):
        raise azure.MALFORMED_SETTING.error(f"takes {takes}; from the environment", target=variable)
    if form == URL:
        try:
            addresses.read(value)
        except addresses.NotAnAddressError as error:
            raise azure.MALFORMED_SETTING.error(f"takes {takes}, and {error}", target=variable) from error
    return value


def _require(environ: Mapping[str, str], forms: Mapping[str, Form]) -> None:
    """Raise VD-SETTINGS-005 with the names of all settings of `forms` that the environment lacks."""
    missing = {_variable(name): form[1] for name, form in forms.items() if not environ.get(_variable(name), "")}
    if missing:
        takes = "; ".join(f"{name} takes {what}" for name, what in missing.items())
        raise azure.MISSING_PUBLISHER_SETTING.error(takes, target=", ".join(missing))


def _variable(name: str) -> str:
    return f"VIBEDATA_PUBLISHER_{name.upper()}"
