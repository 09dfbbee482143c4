"""The rules that a release must meet to be installed, beside what is installed. All pure.

4. A release that has expired is not installed: else a release could be held back for ever (a freeze attack).
5. An older version than the newest installed one is not installed unless that is said (a rollback attack).
6. A version has one content for ever.

The rules before them are in runbook_lib/release/rules.py.
"""

from collections.abc import Iterable
from datetime import datetime

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import release as release_errors
from runbook_lib.release.model import InstalledRelease, ReleaseManifest, version_key


def check_installable(
    manifest: ReleaseManifest,
    *,
    sha256: str,
    installed: Iterable[InstalledRelease],
    now: datetime,
    allow_downgrade: bool,
) -> None:
    """Check rules 4 to 6 against what is installed.

    Parameters: sha256, hex, of the manifest's bytes; installed, the releases in artifact storage that count, of those
    `newer_or_same_version`; now, aware.
    Raises RunbookError VD-MANIFEST-006 (expired), -007 (older), -008 (same version, other content).
    """
    if now >= manifest.expires_at:
        raise release_errors.RELEASE_EXPIRED.error(
            f"it expired at {rfc3339(manifest.expires_at)}", target=manifest.version
        )
    known = tuple(installed)
    for release in known:
        if release.version == manifest.version and release.sha256 != sha256:
            raise release_errors.SAME_VERSION_OTHER_DIGEST.error(
                f"installed {release.sha256}, offered {sha256}", target=manifest.version
            )
    newest = newest_release(known)
    if newest is not None and version_key(manifest.version) < version_key(newest.version) and not allow_downgrade:
        raise release_errors.RELEASE_OLDER_THAN_INSTALLED.error(
            f"{newest.version} is installed", target=manifest.version
        )


def newer_or_same_version(
    release: InstalledRelease, stored: Iterable[InstalledRelease]
) -> tuple[InstalledRelease, ...]:
    """Return which of the stored releases rules 5 and 6 could hold against `release`, the newest first."""
    version = version_key(release.version)
    others = (other for other in stored if version_key(other.version) >= version and other != release)
    return tuple(sorted(others, key=lambda other: (version_key(other.version), other.sha256), reverse=True))


def newest_release(installed: Iterable[InstalledRelease]) -> InstalledRelease | None:
    """Return the installed release of the highest version, None where there is none."""
    return max(installed, key=lambda release: version_key(release.version), default=None)
