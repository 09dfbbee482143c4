"""The official SDK clients, each made at first use: an unused one costs neither start-up time nor memory."""

from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from runbook_lib.clock import Clock
from runbook_lib.http import new_session
from runbook_lib.retry import NETWORK_CONNECT_SECONDS, NETWORK_READ_SECONDS, PolicySource
from runbook_lib.settings import Settings
from runbook_lib.version import RUNBOOK_VERSION

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.data.tables import TableServiceClient
    from azure.keyvault.secrets import SecretClient
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.monitor.ingestion import LogsIngestionClient
    from azure.storage.blob import BlobServiceClient

ARM_SCOPE = "https://management.azure.com/.default"
USER_AGENT = f"vibedata-runbooks/{RUNBOOK_VERSION}"


class AzureClients:
    """Clients of one run, over one connection pool, all obeying one network retry policy.

    Parameters: settings; credential, of vibedata-uami or a developer; retry_policy_source, asked at each request; clock.
    """

    def __init__(
        self, *, settings: Settings, credential: "TokenCredential", retry_policy_source: PolicySource, clock: Clock
    ) -> None:
        self._settings = settings
        self._retry_policy_source = retry_policy_source
        self._clock = clock
        # cached_property has no lock of its own, and workers may ask for the same client at once.
        self._lock = RLock()
        self.credential = credential

    @cached_property
    def session(self) -> "requests.Session":
        """The connection pool, also for requests that no SDK makes."""
        with self._lock:
            session = new_session()
            session.headers["User-Agent"] = USER_AGENT
            return session

    @cached_property
    def blob_service(self) -> "BlobServiceClient":
        """Blob storage of the managed application."""
        from azure.storage.blob import BlobServiceClient

        with self._lock:
            return BlobServiceClient(self._settings.blob_endpoint, self.credential, **self._options())

    @cached_property
    def table_service(self) -> "TableServiceClient":
        """Table storage of the managed application.

        azure-data-tables 12.7.0 builds its own retry policy and takes numbers only (TablesRetryPolicy).
        """
        from azure.core.pipeline.policies import RetryMode
        from azure.data.tables import TableServiceClient

        policy = self._retry_policy_source()
        options = self._options()
        del options["retry_policy"]
        with self._lock:
            return TableServiceClient(
                endpoint=self._settings.table_endpoint,
                credential=self.credential,
                retry_total=policy.max_retries,
                retry_backoff_factor=policy.delay_seconds,
                retry_mode=RetryMode.Fixed,
                **options,
            )

    @cached_property
    def resources(self) -> "ResourceManagementClient":
        """ARM: any resource by its id."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        with self._lock:
            return ResourceManagementClient(self.credential, self._settings.subscription_id, **self._arm_options())

    @cached_property
    def container_registry_management(self) -> "ContainerRegistryManagementClient":
        """ARM: importImage."""
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        with self._lock:
            return ContainerRegistryManagementClient(
                self.credential, self._settings.subscription_id, **self._arm_options()
            )

    @cached_property
    def secrets(self) -> "SecretClient":
        """Secrets of the customer's Key Vault; the challenge's resource is checked against the vault's host."""
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            return SecretClient(self._settings.key_vault_endpoint, self.credential, **self._options())

    @cached_property
    def logs_ingestion(self) -> "LogsIngestionClient":
        """Log ingestion through the data collection rule."""
        from azure.monitor.ingestion import LogsIngestionClient

        with self._lock:
            return LogsIngestionClient(self._settings.logs_endpoint, self.credential, **self._options())

    def _arm_options(self) -> dict[str, Any]:
        return self._options() | {"base_url": self._settings.arm_endpoint, "credential_scopes": [ARM_SCOPE]}

    def _options(self) -> dict[str, Any]:
        from azure.core.pipeline.transport import RequestsTransport

        from runbook_lib.sdk_retry import SdkRetryPolicy

        return {
            "transport": RequestsTransport(
                session=self.session,
                session_owner=False,
                connection_timeout=NETWORK_CONNECT_SECONDS,
                read_timeout=NETWORK_READ_SECONDS,
            ),
            "retry_policy": SdkRetryPolicy(self._retry_policy_source, clock=self._clock),
            "user_agent": USER_AGENT,
        }
