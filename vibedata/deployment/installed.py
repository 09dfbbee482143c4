"""Find the release that is installed at the customer's, for a deployment."""

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import AccessTokens, EntraTokenSource
from runbook_lib.container_registry.wire import CUSTOMER, ContainerRegistryWire
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.release.fetch import fetch_release, read_artifact, resolve_release
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY, InstalledRelease


def installed_release(session: AzureSession) -> InstalledRelease | None:
    """Return the release that the customer's `latest` points to, None before the first.

    Every byte of it is compared with its digest. Its signature is not verified, because this release can only keep
    older ones out. It must do so even if its root is no longer pinned, and a tag can be moved back. Raises RunbookError
    VD-REGISTRY-*, VD-MANIFEST-*, VD-IDENTITY-*.
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
    artifact = resolve_release(reader, LATEST)
    if artifact is None:
        return None
    target = f"{MANIFEST_REPOSITORY}:{LATEST}"
    found = fetch_release(reader, read_artifact(artifact.content, digest=artifact.digest, target=target))
    return InstalledRelease(found.manifest.version, found.sha256)
