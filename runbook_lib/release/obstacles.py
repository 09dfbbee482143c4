"""The releases in artifact storage that could stand in the way of another one."""

from collections.abc import Sequence

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import read_artifact, resolve_release
from runbook_lib.release.installable import newer_or_same_version
from runbook_lib.release.installed import MAX_NO_GOOD, verified_releases
from runbook_lib.release.manifest import REPOSITORY
from runbook_lib.release.model import LATEST, InstalledRelease
from runbook_lib.release.stored import is_no_good, is_whole


def releases_in_the_way(
    context: Context, customer: ContainerRegistryReader, release: InstalledRelease, latest: str | None
) -> tuple[InstalledRelease, ...]:
    """Return the stored releases that could stand in the way of `release`: those that are verified, and the one that
    the customer's `latest` points to.

    What is not counts for nothing: whoever may write blobs could else, with a name alone, keep every release out for
    ever. Nobody can delete a release that counts. The one of `latest` counts when its root is pinned no more, too: a
    change of pins is no leave to go back. It can keep nothing out for ever, since a tag can be moved.
    """
    stored = artifact_storage.releases_in(artifact_storage.list_blobs(context.clients.blob_service))
    newer = set(newer_or_same_version(release, stored))
    others = [other for other in stored if other in newer]
    good = {one.release for one in verified_releases(context, others)}
    doubtful = [other for other in others if other not in good]
    return (*(other for other in others if other in good), *_of_latest(context, customer, latest, doubtful))


def _of_latest(
    context: Context, customer: ContainerRegistryReader, latest: str | None, doubtful: Sequence[InstalledRelease]
) -> list[InstalledRelease]:
    """Return that of the doubtful releases which the customer's `latest` points to, where every byte of it is there."""
    if latest is None or not doubtful:
        return []
    try:
        found = resolve_release(customer, LATEST)
        target = f"{REPOSITORY}:{LATEST}"
        wanted = found and read_artifact(found.content, digest=found.digest, target=target).content_digest
    except RunbookError as error:
        if not is_no_good(error) and not error.is_(container_registry.ANSWER_OUT_OF_BOUNDS):
            raise
        return []  # what it points to is no release
    named = [other for other in doubtful if f"sha256:{other.sha256}" == wanted]
    return [other for other in named[:MAX_NO_GOOD] if is_whole(context.clients.blob_service, other, latest)]
