"""The stored releases that may forbid a release to be installed: rules 4 to 6.

4. An expired release is not installed. Otherwise an attacker could offer an old release for ever (a freeze attack).
5. A version older than the newest installed one is not installed, unless the operator allows it (a rollback attack).
6. A version has one content for ever.

Rules 1 to 3 are in runbook_lib/release/rules.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from runbook_lib.basics.clock import rfc3339
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry
from runbook_lib.errors import release as release_errors
from runbook_lib.release.fetch import latest_content_digest
from runbook_lib.release.installed import MAX_NO_GOOD, list_blobs, releases_in, verified_releases
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
    stored = releases_in(list_blobs(context.clients.blob_service))
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
    """Check rules 4 to 6.

    Args:
        offered: The release that is to be installed.
        expires_at: When the offered release expires.
        installed: The releases in artifact storage that count, among those of `newer_or_same_version`.
        now: The present time (aware).
        allow_downgrade: Whether an older release may be installed.

    Raises:
        RunbookError: VD-MANIFEST-006 (expired), -007 (older), -008 (same version, other content).
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
    """Return the stored releases that could forbid `release` by rules 5 and 6, the newest first."""
    version = version_key(release.version)
    others = (other for other in stored if version_key(other.version) >= version and other != release)
    return tuple(sorted(others, key=lambda other: (version_key(other.version), other.digest), reverse=True))


def newest_release(installed: Iterable[ReleaseId]) -> ReleaseId | None:
    """Return the installed release with the highest version, None if there is none."""
    return max(installed, key=lambda release: version_key(release.version), default=None)
