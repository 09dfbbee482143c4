"""Find the stored releases that may forbid the installation of another one."""

from collections.abc import Sequence

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import latest_content_digest
from runbook_lib.release.installed import MAX_NO_GOOD, verified_releases
from runbook_lib.release.model import ReleaseId
from runbook_lib.release.rules import newer_or_same_version
from runbook_lib.release.stored import is_no_good, is_whole


def releases_in_the_way(
    context: Context, customer: ContainerRegistryReader, release: ReleaseId, latest: str | None
) -> tuple[ReleaseId, ...]:
    """Return the stored releases that may forbid `release`: verified ones, and the one that `latest` points to.

    No other stored release counts. Otherwise anybody who may write blobs could keep every release out for ever with a
    blob's name. Nobody can delete a release that counts. The release of the customer's `latest` counts even if its root
    is no longer pinned: a change of pins must not allow a rollback. It cannot keep releases out for ever, since a tag
    can be moved.
    """
    stored = artifact_storage.releases_in(artifact_storage.list_blobs(context.clients.blob_service))
    newer = set(newer_or_same_version(release, stored))
    others = [other for other in stored if other in newer]
    good = {one.id for one in verified_releases(context, others)}
    doubtful = [other for other in others if other not in good]
    return (*(other for other in others if other in good), *_of_latest(context, customer, latest, doubtful))


def _of_latest(
    context: Context, customer: ContainerRegistryReader, latest: str | None, doubtful: Sequence[ReleaseId]
) -> list[ReleaseId]:
    """Return the doubtful release that the customer's `latest` points to, if storage has every byte of it."""
    if latest is None or not doubtful:
        return []
    try:
        wanted = latest_content_digest(customer)
    except RunbookError as error:
        if not is_no_good(error) and not error.is_(container_registry.ANSWER_OUT_OF_BOUNDS):
            raise
        return []  # it does not point to a release
    named = [other for other in doubtful if other.digest == wanted]
    return [other for other in named[:MAX_NO_GOOD] if is_whole(context.clients.blob_service, other, latest)]
