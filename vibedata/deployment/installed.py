"""Find the release that is installed at the customer's, for a deployment."""

from runbook_lib.azure.session import AzureSession
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.release.fetch import resolve_release
from runbook_lib.release.hop import not_asked, read_release
from runbook_lib.release.model import LATEST, ReleaseId


def installed_release_id(session: AzureSession) -> ReleaseId | None:
    """Return the release that the customer's `latest` points to, None before the first.

    Every byte of it is compared with its digest. Its signature is not verified, because this release can only keep
    older ones out. It must do so even if its root is no longer pinned, and a tag can be moved back. Raises RunbookError
    VD-REGISTRY-*, VD-MANIFEST-*, VD-IDENTITY-*.
    """
    place = resolve_release(customer_reader(session), LATEST)
    return None if place is None else read_release(place, not_asked).id
