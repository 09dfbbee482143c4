"""The rules for a release manifest beyond its form. They do not depend on what is installed. All pure.

1. Names are unique among images and runbooks together (a component's `artifact` names one of either), among documents
   and among components. Azure ignores case in resource names, so two names that differ only in case are the same name.
2. A tag is pinned to one digest. No pin is in the release manifest's own repository, because the tags there say what is
   installed.
3. Every `artifact` names an image or a runbook of the release. Every `depends_on` names a component. No component
   depends on itself, directly or through others.

runbook_lib/release/obstacles.py has the rules for a release that is to be installed.
"""

from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from runbook_lib.errors import RunbookError
from runbook_lib.errors import release as release_errors
from runbook_lib.release.model import MANIFEST_REPOSITORY, ReleaseManifest


def check_consistent(manifest: ReleaseManifest) -> None:
    """Check rules 1 to 3. Raises RunbookError VD-MANIFEST-005, which names the contradiction."""
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
