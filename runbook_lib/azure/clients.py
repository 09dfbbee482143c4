"""The official SDK clients. Each is made at its first use, so an unused one costs no start-up time and no memory."""

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from runbook_lib.azure.places import (
    arm_place,
    blob_place,
    certificate_place,
    key_place,
    log_place,
    secret_place,
    table_place,
)
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.network.http import READ_BYTES
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import PolicySource
from runbook_lib.network.trouble import Place
from runbook_lib.version import RUNBOOK_VERSION

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport
    from azure.data.tables import TableServiceClient
    from azure.keyvault.keys import KeyClient
    from azure.keyvault.keys.crypto import CryptographyClient
    from azure.keyvault.secrets import SecretClient
    from azure.mgmt.automation import AutomationClient
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient
    from azure.mgmt.monitor import MonitorManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.monitor.ingestion import LogsIngestionClient
    from azure.storage.blob import BlobServiceClient

# The audience is always ARM itself, even if the endpoint has another address.
ARM_SCOPE = "https://management.azure.com/.default"
# Every run reads something from storage, at least the network retry policy.
STORAGE_SCOPE = "https://storage.azure.com/.default"
USER_AGENT = f"vibedata-runbooks/{RUNBOOK_VERSION}"
# Azure's services rarely redirect a client. Each redirect gets the policy's whole time.
MAX_REDIRECTS = 3
# A blob larger than this is read in several ranges and written in several blocks, so that no request takes more memory.
MAX_BLOB_RANGE_BYTES = 1024 * 1024

C = TypeVar("C")


class _once(Generic[C]):  # noqa: N801 - a decorator
    """A property of AzureClients that is made at first use, once."""

    def __init__(self, make: "Callable[[AzureClients], C]") -> None:
        self._make = make

    def __get__(self, clients: "AzureClients", _owner: object = None) -> C:
        return clients.shared(self._make.__name__, lambda: self._make(clients))


class AzureClients:
    """The clients of one run. They share one connection pool and one network retry policy. Many threads may use them.

    The credential is vibedata-uami's or a developer's. `retry_policy_source` is called at each request. A client raises
    azure.core's exceptions, and RunbookError VD-IDENTITY-* from the credential.
    """

    def __init__(
        self, *, settings: Settings, credential: "TokenCredential", retry_policy_source: PolicySource, clock: Clock
    ) -> None:
        self._settings = settings
        self._retry_policy_source = retry_policy_source
        self._clock = clock
        # Re-entrant: making a client asks for the session.
        self._lock = RLock()
        self._made: dict[str, object] = {}
        self.credential = credential

    @_once
    def session(self) -> "requests.Session":
        """The connection pool, also for requests that no SDK makes."""
        return _session()

    @_once
    def blob_service(self) -> "BlobServiceClient":
        """Blob storage of the managed application."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(
            self._settings.blob_endpoint,
            self.credential,
            max_single_get_size=MAX_BLOB_RANGE_BYTES,
            max_chunk_get_size=MAX_BLOB_RANGE_BYTES,
            max_single_put_size=MAX_BLOB_RANGE_BYTES,
            max_block_size=MAX_BLOB_RANGE_BYTES,
            **self._options(blob_place(self._settings)),
        )

    @_once
    def table_service(self) -> "TableServiceClient":
        """Table storage of the managed application."""
        return new_table_service(
            self._settings.table_endpoint,
            self.credential,
            session=self.session,
            retry_policy_source=self._retry_policy_source,
            clock=self._clock,
            place=table_place(self._settings),
        )

    @_once
    def resources(self) -> "ResourceManagementClient":
        """ARM: any resource by its id."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        return ResourceManagementClient(self.credential, self._settings.subscription_id, **self._arm_options())

    @_once
    def container_registry_management(self) -> "ContainerRegistryManagementClient":
        """ARM: the customer's container registry, and importImage."""
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        return ContainerRegistryManagementClient(self.credential, self._settings.subscription_id, **self._arm_options())

    @_once
    def automation(self) -> "AutomationClient":
        """ARM: the Automation account."""
        from azure.mgmt.automation import AutomationClient

        return AutomationClient(self.credential, self._settings.subscription_id, **self._arm_options())

    @_once
    def monitor(self) -> "MonitorManagementClient":
        """ARM: alert rules and action groups."""
        from azure.mgmt.monitor import MonitorManagementClient

        return MonitorManagementClient(self.credential, self._settings.subscription_id, **self._arm_options())

    @_once
    def secrets(self) -> "SecretClient":
        """Secrets of the customer's Key Vault. The challenge's resource is checked against the vault's host."""
        return self._vault(secret_place(self._settings))

    @_once
    def certificates(self) -> "SecretClient":
        """A client that reaches the vault's certificates with `send_request`.

        The runbooks have no SDK client for certificates.
        """
        return self._vault(certificate_place(self._settings))

    def _vault(self, place: Place) -> "SecretClient":
        return new_secret_client(
            self._settings.key_vault_endpoint,
            self.credential,
            session=self.session,
            retry_policy_source=self._retry_policy_source,
            clock=self._clock,
            place=place,
        )

    @_once
    def keys(self) -> "KeyClient":
        """Keys of the customer's Key Vault."""
        from azure.keyvault.keys import KeyClient

        return KeyClient(self._settings.key_vault_endpoint, self.credential, **self._options(key_place(self._settings)))

    def cryptography(self, name: str, version: str) -> "CryptographyClient":
        """Operations with a version of a key in the customer's Key Vault. The key never leaves the vault."""

        def make() -> "CryptographyClient":
            from azure.keyvault.keys.crypto import CryptographyClient

            key_id = f"{self._settings.key_vault_endpoint}/keys/{name}/{version}"
            return CryptographyClient(key_id, self.credential, **self._options(key_place(self._settings)))

        return self.shared(f"cryptography {name}/{version}", make)

    @_once
    def logs_ingestion(self) -> "LogsIngestionClient":
        """Log ingestion through the data collection rule."""
        from azure.monitor.ingestion import LogsIngestionClient

        return LogsIngestionClient(
            self._settings.logs_endpoint, self.credential, **self._options(log_place(self._settings))
        )

    def shared(self, name: str, make: Callable[[], C]) -> C:
        """Return an object that a run has only once. It is made at the first use."""
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return cast(C, self._made[name])

    def _arm_options(self) -> dict[str, Any]:
        options = self._options(arm_place(self._settings))
        return options | {"base_url": self._settings.arm_endpoint, "credential_scopes": [ARM_SCOPE]}

    def _options(self, place: Place) -> dict[str, Any]:
        return pipeline_options(self.session, self._retry_policy_source, self._clock, place)


def new_table_service(
    endpoint: str,
    credential: "TokenCredential",
    *,
    session: "requests.Session",
    retry_policy_source: PolicySource,
    clock: Clock,
    place: Place | None = None,
) -> "TableServiceClient":
    """Return a client of some table storage, for code that has no Settings. AzureClients explains the parameters."""
    from azure.data.tables import TableServiceClient

    from runbook_lib.network.sdk_retry import RetryingTransport

    service = TableServiceClient(
        endpoint=endpoint,
        credential=credential,
        transport=RetryingTransport(_transport(session), retry_policy_source, clock=clock, place=place),
        retry_total=0,
        redirect_max=MAX_REDIRECTS,
        user_agent=USER_AGENT,
    )
    # azure-data-tables 12.7.0 makes a pipeline for each table's client out of the same policies. This links them anew
    # while other threads send requests through them. What the first pipeline made of them keeps its links.
    service._policies = service._client._client._pipeline._impl_policies
    return service


def new_secret_client(
    endpoint: str,
    credential: "TokenCredential",
    *,
    session: "requests.Session",
    retry_policy_source: PolicySource,
    clock: Clock,
    place: Place | None = None,
) -> "SecretClient":
    """Return a client of some vault's secrets, for code that has no Settings. AzureClients explains the parameters."""
    from azure.keyvault.secrets import SecretClient

    return SecretClient(endpoint, credential, **pipeline_options(session, retry_policy_source, clock, place))


def cryptography_client(
    key_id: str, *, credential: "TokenCredential", retry_policy_source: PolicySource, clock: Clock
) -> "CryptographyClient":
    """Return a client that lets a Key Vault use one of its keys, for code that has no Settings.

    `key_id` is the https address of the key, with or without its version.
    """
    from azure.keyvault.keys.crypto import CryptographyClient

    return CryptographyClient(key_id, credential, **pipeline_options(_session(), retry_policy_source, clock))


def pipeline_options(
    session: "requests.Session", retry_policy_source: PolicySource, clock: Clock, place: Place | None = None
) -> dict[str, Any]:
    """Return the options of an SDK's client, for code that makes a client of its own. AzureClients explains the
    parameters.
    """
    from runbook_lib.network.sdk_retry import SdkRetryPolicy

    return {
        "transport": _transport(session),
        "retry_policy": SdkRetryPolicy(retry_policy_source, clock=clock, place=place),
        "redirect_max": MAX_REDIRECTS,
        "user_agent": USER_AGENT,
    }


def _transport(session: "requests.Session") -> "HttpTransport[Any, Any]":
    from azure.core.pipeline.transport import RequestsTransport

    # runbook_lib.network.retry sets the timeouts of each attempt.
    transport: HttpTransport[Any, Any] = RequestsTransport(
        session=session, session_owner=False, connection_data_block_size=READ_BYTES
    )
    return transport


def _session() -> "requests.Session":
    session = new_session()
    session.headers["User-Agent"] = USER_AGENT
    return session
