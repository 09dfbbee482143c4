"""The identity of the runbook: vibedata-uami in Automation, the developer's own login elsewhere."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import ErrorEntry, azure
from runbook_lib.network.http_session import new_session, silence_libraries
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.trouble import object_id_in

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential, TokenRequestOptions

# For the sandbox's identity endpoint, which is local. The recorded policy cannot be read before this endpoint has given
# a token.
IDENTITY_POLICY = NetworkRetryPolicy(total_seconds=60.0)
# `az` starts a separate interpreter, and may renew a token over the network.
LOGIN_SECONDS = 30
# Set in every Automation sandbox (docs/azure-facts.md#managed-identity).
_SANDBOX_VARIABLES = ("AUTOMATION_ASSET_ACCOUNTID", "AUTOMATION_ASSET_SANDBOX_ID")
MAX_WORDS = 300

T = TypeVar("T")


class NamesIdentity(Protocol):
    """Settings that name an identity."""

    @property
    def uami_client_id(self) -> str:
        """The client id of a user-assigned managed identity."""
        ...


def credential(
    settings: NamesIdentity, environ: Mapping[str, str], *, clock: Clock = SYSTEM_CLOCK
) -> "TokenCredential":
    """Return the credential for the customer's Azure. See credential_of."""
    return credential_of(settings.uami_client_id, environ, clock=clock)


def credential_of(client_id: str, environ: Mapping[str, str], *, clock: Clock = SYSTEM_CLOCK) -> "TokenCredential":
    """Return the credential for every Azure service; the SDK keeps its tokens until they must be renewed.

    `client_id` names the managed identity. It is empty for a developer's login. Automation documents no other selector
    (docs/azure-facts.md#managed-identity). Raises RunbookError VD-IDENTITY-001 in a sandbox without an identity
    endpoint, and VD-SETTINGS-001 without a client id. The credential's methods raise VD-IDENTITY-001 if the endpoint
    gives no token, and VD-IDENTITY-002 if there is no login that gives one.
    """
    if environ.get("IDENTITY_ENDPOINT") and environ.get("IDENTITY_HEADER"):
        return _NamingCredential(_managed_identity(client_id, clock), azure.NO_MANAGED_IDENTITY)
    if any(environ.get(name) for name in _SANDBOX_VARIABLES):
        # The search for a developer's login starts programs, and a sandbox does not support that.
        raise azure.NO_MANAGED_IDENTITY.error("IDENTITY_ENDPOINT and IDENTITY_HEADER are not both set")
    return _NamingCredential(_developer_login(), azure.NO_LOGIN)


def object_id(credential: "TokenCredential", scope: str) -> str:
    """Return the object id of the identity that a credential belongs to, "" if the token has none.

    Raises RunbookError VD-IDENTITY-*.
    """
    return object_id_in(credential.get_token(scope).token)


def _managed_identity(client_id: str, clock: Clock) -> Any:
    """Return the SDK's credential.

    The SDK uses its path for App Service, which fits Automation, too: `api-version`, X-IDENTITY-HEADER and Metadata.
    """
    from azure.core.pipeline.transport import RequestsTransport
    from azure.identity import ManagedIdentityCredential

    from runbook_lib.network.sdk_retry import SdkRetryPolicy

    if not client_id:
        raise azure.MISSING_SETTING.error("takes the client id of vibedata-uami, a GUID", target="uami_client_id")
    return ManagedIdentityCredential(
        client_id=client_id,
        transport=RequestsTransport(session=new_session(), session_owner=False),
        retry_policy_class=lambda **_: SdkRetryPolicy(lambda: IDENTITY_POLICY, clock=clock),
    )


def _developer_login() -> Any:
    silence_libraries()
    from azure.identity import AzureCliCredential, AzureDeveloperCliCredential, ChainedTokenCredential

    return ChainedTokenCredential(
        AzureCliCredential(process_timeout=LOGIN_SECONDS), AzureDeveloperCliCredential(process_timeout=LOGIN_SECONDS)
    )


class _NamingCredential:
    """A credential whose failures have a code of the catalogue.

    One thread asks at a time, and the other threads use its answer.
    """

    def __init__(self, credential: Any, entry: ErrorEntry) -> None:
        self._credential = credential
        self._entry = entry
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """Return a token, as azure.core.credentials.TokenCredential does."""
        token: AccessToken = self._named(lambda: self._credential.get_token(*scopes, **options), scopes)
        return token

    def get_token_info(self, *scopes: str, options: "TokenRequestOptions | None" = None) -> "AccessTokenInfo":
        """Return a token, as azure.core.credentials.SupportsTokenInfo does."""
        token: AccessTokenInfo = self._named(lambda: self._credential.get_token_info(*scopes, options=options), scopes)
        return token

    def _named(self, ask: Callable[[], T], scopes: tuple[str, ...]) -> T:
        from azure.core.exceptions import AzureError

        with self._lock:
            try:
                return ask()
            # msal reads the answer with json.loads and int, so an answer in another form raises ValueError.
            except (AzureError, ValueError, TypeError, AttributeError) as error:
                # The message of a chain of credentials quotes each credential. The rest of the message is about the
                # chain itself.
                story = str(error).partition("Attempted credentials:")
                said = story[2].partition("To mitigate")[0] or story[0]
                words = whole_words(" ".join(said.split()), MAX_WORDS)
                raise self._entry.error(words, target=" ".join(scopes)) from error
