"""What stands in the way of a release that is to be installed: rules 4 to 6, and the releases that they look at.

4. A release that has expired is not installed: else a release could be held back for ever (a freeze attack).
5. An older version than the newest installed one is not installed unless that is said (a rollback attack).
6. A version has one content for ever.

The rules before them are in runbook_lib/release/rules.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from runbook_lib.basics.clock import rfc3339
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry
from runbook_lib.errors import release as release_errors
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import latest_content_digest
from runbook_lib.release.installed import MAX_NO_GOOD, verified_releases
from runbook_lib.release.model import ReleaseId, version_key
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


def check_installable(
    offered: ReleaseId,
    *,
    expires_at: datetime,
    installed: Iterable[ReleaseId],
    now: datetime,
    allow_downgrade: bool,
) -> None:
    """Check rules 4 to 6 against what is installed.

    Parameters: expires_at, of the offered release; installed, the releases in artifact storage that count, of those
    `newer_or_same_version`; now, aware.
    Raises RunbookError VD-MANIFEST-006 (expired), -007 (older), -008 (same version, other content).
    """
    if now >= expires_at:
        raise release_errors.RELEASE_EXPIRED.error(f"it expired at {rfc3339(expires_at)}", target=offered.version)
    known = tuple(installed)
    for release in known:
        if release.version == offered.version and release.digest != offered.digest:
            detail = f"installed {release.digest}, offered {offered.digest}"
            raise release_errors.SAME_VERSION_OTHER_DIGEST.error(detail, target=offered.version)
    newest = newest_release(known)
    if newest is not None and version_key(offered.version) < version_key(newest.version) and not allow_downgrade:
        raise release_errors.RELEASE_OLDER_THAN_INSTALLED.error(
            f"{newest.version} is installed", target=offered.version
        )


def newer_or_same_version(release: ReleaseId, stored: Iterable[ReleaseId]) -> tuple[ReleaseId, ...]:
    """Return which of the stored releases rules 5 and 6 could hold against `release`, the newest first."""
    version = version_key(release.version)
    others = (other for other in stored if version_key(other.version) >= version and other != release)
    return tuple(sorted(others, key=lambda other: (version_key(other.version), other.digest), reverse=True))


def newest_release(installed: Iterable[ReleaseId]) -> ReleaseId | None:
    """Return the installed release of the highest version, None where there is none."""
    return max(installed, key=lambda release: version_key(release.version), default=None)
