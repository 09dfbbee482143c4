"""Settings and clients of the publisher's own services. They run without the settings of a customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from publisher.session import setting
from runbook_lib.azure.clients import new_secret_client, new_table_service
from runbook_lib.azure.identity import credential
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.forms import GUID, URL
from runbook_lib.basics.redaction import Redactor
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.keyvault.secrets import SecretClient

# An instance waits for the answer and sends its report again, so a service gives up sooner than a runbook.
SERVICE_POLICY = NetworkRetryPolicy(max_retries=2, delay_seconds=0.5, total_seconds=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Addresses and the identity. `api` has no slash at its end. `uami_client_id` is "" for your own login."""

    api: str
    table_endpoint: str
    key_vault_endpoint: str
    uami_client_id: str

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "ServiceSettings":
        """Return the settings that the environment holds. Raises RunbookError VD-SETTINGS-005, -002."""
        return cls(
            api=setting(environ, "api", URL),
            table_endpoint=setting(environ, "table_endpoint", URL),
            key_vault_endpoint=setting(environ, "key_vault_endpoint", URL),
            uami_client_id=environ.get("VIBEDATA_PUBLISHER_CLIENT_ID", "") and setting(environ, "client_id", GUID),
        )


class NothingToRedact(Redactor):
    """A redactor for a service that writes only its own texts. It would otherwise learn the keys of all instances."""

    def learn(self, secret: str) -> None:
        """Learn nothing."""

    def learn_key(self, key: bytes) -> None:
        """Learn nothing."""


def clients(
    settings: ServiceSettings, environ: Mapping[str, str], clock: Clock
) -> "tuple[TableServiceClient, SecretClient]":
    """Return clients of the publisher's tables and vault, over one connection pool. Raises as identity.credential."""
    identity = credential(settings, environ, clock=clock)
    session = new_session()
    tables = new_table_service(
        settings.table_endpoint,
        identity,
        session=session,
        retry_policy_source=lambda: SERVICE_POLICY,
        clock=clock,
    )
    vault = new_secret_client(
        settings.key_vault_endpoint,
        identity,
        session=session,
        retry_policy_source=lambda: SERVICE_POLICY,
        clock=clock,
    )
    return tables, vault
