"""Which release is installed at the customer's, as a command of the deployment asks."""

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import AccessTokens, EntraTokenSource
from runbook_lib.container_registry.wire import CUSTOMER, ContainerRegistryWire
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.release.fetch import resolve_release
from runbook_lib.release.hop import not_asked, read_release
from runbook_lib.release.model import LATEST, ReleaseId


def installed_release(session: AzureSession) -> ReleaseId | None:
    """Return the release that the customer's `latest` points to, None before the first.

    Every byte of it is compared with its digest; who signed it is not asked, since it can only keep others out, as a
    tag may whose root is pinned no more, and who moved the tag can move it back. Raises RunbookError VD-REGISTRY-*,
    VD-MANIFEST-*, VD-IDENTITY-*.
    """
    wire = ContainerRegistryWire(
        login_server=session.settings.customer_registry,
        side=CUSTOMER,
        session=session.clients.session,
        policy=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    source = EntraTokenSource(wire=wire, credential=session.clients.credential, clock=SYSTEM_CLOCK)
    reader = ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=SYSTEM_CLOCK))
    place = resolve_release(reader, LATEST)
    return None if place is None else read_release(place, not_asked).id
