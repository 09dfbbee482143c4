"""Which release is installed at the customer's, and its manifest."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib import artifact_storage
from runbook_lib.container_registry import ContainerRegistryReader
from runbook_lib.errors import RunbookError
from runbook_lib.parameters import CommonParameters
from runbook_lib.release import InstalledRelease, ReleaseManifest
from runbook_lib.release_fetch import resolve_release
from runbook_lib.release_manifest import REPOSITORY, VERSION, parse

if TYPE_CHECKING:
    from runbook_lib.runbook import Context

LATEST = "latest"


@dataclass(frozen=True, kw_only=True)
class ReleaseParameters(CommonParameters):
    """What a runbook takes that works from an installed release."""

    release_version: str = field(default="", metadata={"help": "version of the release (default: the installed one)"})

    def __post_init__(self) -> None:
        """Check what can be checked without the world. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if self.release_version and not re.fullmatch(VERSION, self.release_version):
            raise RunbookError("VD-PARAM-002", "takes a version such as 2026.11.0", target="release_version")


def installed_manifest(context: "Context", customer: ContainerRegistryReader, version: str) -> ReleaseManifest:
    """Return the manifest of the stored release of `version`; for "" of the one that the customer's `latest` points to.

    Raises RunbookError VD-MANIFEST-010 (no such release), -008 (stored twice), VD-STORAGE-001 (no container), -003 (the
    blob is not what its name says), the errors of `release_manifest.parse` and the reader's, and azure.core's.
    """
    return stored_manifest(context, installed_release(context, customer, version))


def stored_manifest(context: "Context", release: InstalledRelease) -> ReleaseManifest:
    """Return the manifest of a release in artifact storage. Raises as `installed_manifest` does."""
    content = artifact_storage.read_back(context.clients.blob_service, release)
    if content is None:
        raise RunbookError("VD-MANIFEST-010", target=release.version)
    manifest = parse(content)
    if manifest.version != release.version:
        raise RunbookError("VD-STORAGE-003", f"it holds version {manifest.version}", target=release.version)
    return manifest


def installed_release(context: "Context", customer: ContainerRegistryReader, version: str) -> InstalledRelease:
    """Return the stored release of `version`; for "" the one that the customer's `latest` points to.

    Not simply the newest in artifact storage: after a downgrade that is another one, and it cannot be deleted. Raises
    as `installed_manifest` does.
    """
    stored = artifact_storage.list_installed(context.clients.blob_service, version or None)
    if version:
        chosen = stored
    else:
        artifact = resolve_release(customer, LATEST)
        if artifact is None:
            raise RunbookError("VD-MANIFEST-010", "tag latest is absent", target=f"{REPOSITORY}:{LATEST}")
        chosen = tuple(release for release in stored if f"sha256:{release.sha256}" == artifact.content_digest)
    if not chosen:
        raise RunbookError("VD-MANIFEST-010", target=version or f"{REPOSITORY}:{LATEST}")
    if len(chosen) > 1:
        raise RunbookError("VD-MANIFEST-008", "artifact storage holds it twice", target=chosen[0].version)
    return chosen[0]
