"""Which release is installed at the customer's, as a command of the deployment asks."""

from runbook_lib.azure.session import AzureSession
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.release.fetch import resolve_release
from runbook_lib.release.hop import not_asked, read_release
from runbook_lib.release.model import LATEST, ReleaseId


def installed_release_id(session: AzureSession) -> ReleaseId | None:
    """Return the release that the customer's `latest` points to, None before the first.

    Every byte of it is compared with its digest; who signed it is not asked, since it can only keep others out, as a
    tag may whose root is pinned no more, and who moved the tag can move it back. Raises RunbookError VD-REGISTRY-*,
    VD-MANIFEST-*, VD-IDENTITY-*.
    """
    place = resolve_release(customer_reader(session), LATEST)
    return None if place is None else read_release(place, not_asked).id
