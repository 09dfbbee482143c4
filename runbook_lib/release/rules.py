"""The rules for a release beyond its form. Pure.

1. Names are unique among images and runbooks together (a component's `artifact` names one of them), among documents and
   among components. Names that differ only in case are the same name, because Azure's resource names ignore case.
2. A tag is pinned to one digest. No pin is in the release manifest's own repository: its tags say what is installed.
3. Every `artifact` names an image or a runbook of the release, and every `depends_on` a component. No component depends
   on itself, not even through others.
4. An expired release is not installed. Otherwise somebody could hold newer releases back for ever (a freeze attack).
5. A version that is older than the newest installed one is installed only if the user allows it (a rollback attack).
6. The content of a version never changes.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.errors import release as release_errors
from runbook_lib.release.model import MANIFEST_REPOSITORY, ReleaseId, ReleaseManifest, version_key


def check_consistent(manifest: ReleaseManifest) -> None:
    """Check rules 1 to 3. Raises RunbookError VD-MANIFEST-005, naming what contradicts what."""
    artifacts = [image.name for image in manifest.images] + [runbook.name for runbook in manifest.runbooks]
    components = [component.name for component in manifest.components]
    _check_unique("images and runbooks", artifacts)
    _check_unique("components", components)
    _check_unique("documents", [document.name for document in manifest.documents])
    _check_pins(manifest)
    for component in manifest.components:
        _check_known(f"component {component.name} has the artifact", (component.artifact,), {None, *artifacts})
        _check_known(f"component {component.name} depends on", component.depends_on, {*components})
    _check_no_cycle({component.name: component.depends_on for component in manifest.components})
    if manifest.expires_at <= manifest.created_at:
        raise _contradiction("it expires before it was made")


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
    """Return the stored releases that may refuse `release` by rules 5 and 6, the newest first."""
    version = version_key(release.version)
    others = (other for other in stored if version_key(other.version) >= version and other != release)
    return tuple(sorted(others, key=lambda other: (version_key(other.version), other.digest), reverse=True))


def newest_release(installed: Iterable[ReleaseId]) -> ReleaseId | None:
    """Return the installed release of the highest version, None if there is none."""
    return max(installed, key=lambda release: version_key(release.version), default=None)


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise _contradiction(f"the name {name} is there twice among the {what}")
        seen.add(name.lower())


def _check_known(what: str, names: Iterable[str | None], known: Collection[str | None]) -> None:
    for name in names:
        if name not in known:
            raise _contradiction(f"{what} {name}, which is not there")


def _check_pins(manifest: ReleaseManifest) -> None:
    pinned: dict[tuple[str, str], str] = {}
    for pin in manifest.pins:
        if pin.repository == MANIFEST_REPOSITORY:
            raise _contradiction(f"{pin.repository}:{pin.tag} is pinned, but only release manifests belong there")
        if pinned.setdefault((pin.repository, pin.tag), pin.digest) != pin.digest:
            raise _contradiction(f"the tag {pin.repository}:{pin.tag} is pinned to two digests")


def _check_no_cycle(depends_on: Mapping[str, tuple[str, ...]]) -> None:
    try:
        TopologicalSorter(depends_on).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        raise _contradiction(f"components wait for each other: {' -> '.join(reversed(circle))}") from error


def _contradiction(what: str) -> RunbookError:
    return release_errors.MANIFEST_CONTRADICTS_ITSELF.error(what)
