"""List the stored releases, find the installed one of the customer, and read its verified manifest."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import RunbookError, run
from runbook_lib.errors import release as release_errors
from runbook_lib.network.listing import bounded
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import latest_content_digest, place_name
from runbook_lib.release.hop import Release, SignedArtifact
from runbook_lib.release.manifest import SHA256, VERSION
from runbook_lib.release.model import LATEST, MANIFEST_CONTAINER, ReleaseId, version_key
from runbook_lib.release.stored import is_no_good, stored_release
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.trust.pinned_policy import trust_policy

# An error names at most this number of stored versions.
MAX_TOLD = 10

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context

# A run reads at most this number of bad releases, because every import reads them again, with two requests and an event
# for each.
MAX_NO_GOOD = 20
_BLOB_NAME = re.compile(rf"(?P<version>{VERSION})/(?P<sha256>{SHA256})\.json")
_PART_NAME = re.compile(rf"{VERSION}/{SHA256}(\.json|\.oci\.json|\.jws)")


@dataclass(frozen=True, kw_only=True)
class ReleaseParameters(CommonParameters):
    """The parameters of a runbook that works with an installed release."""

    release_version: str = field(default="", metadata={"help": "version of the release (default: the installed one)"})

    def __post_init__(self) -> None:
        """Check the version's form. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if self.release_version and not re.fullmatch(VERSION, self.release_version):
            raise run.MALFORMED_PARAMETER.error("takes a version such as 2026.11.0", target="release_version")


def installed_release(context: "Context", customer: ContainerRegistryReader, version: str) -> Release[SignedArtifact]:
    """Return the verified stored release of `version`, or for "" the one that the customer's `latest` points to.

    That may not be the newest one in artifact storage: after a downgrade the newer one is still there. An expired
    release is not refused, because an installed release must be operated. Raises RunbookError VD-MANIFEST-010 (no such
    release), -008 (stored twice), VD-STORAGE-001 (no container), VD-TRUST-030 (nobody is trusted), the errors of
    `read_stored` and the reader's, and azure.core's.
    """
    trust_policy(context.settings)  # raises before any request if nobody is trusted
    stored = _releases(context, version or None)
    chosen = stored if version else _latest(customer, stored)
    if not chosen:
        everything = _releases(context, None) if version else stored
        raise release_errors.NO_RELEASE_INSTALLED.error(
            _versions_told(everything), target=version or place_name(LATEST)
        )
    if len(chosen) == 1:
        return stored_release(context, chosen[0])
    good = verified_releases(context, chosen)
    if len(good) != 1:
        raise release_errors.SAME_VERSION_OTHER_DIGEST.error(
            f"artifact storage holds {len(good)} good ones", target=chosen[0].version
        )
    return good[0]


def verified_releases(context: "Context", stored: Iterable[ReleaseId]) -> tuple[Release[SignedArtifact], ...]:
    """Return the stored releases that are verified. Warn of the others and ignore them.

    Anybody who may write blobs can write one beside a release's, or one of a future version, and nobody can delete it.
    So after MAX_NO_GOOD bad ones the rest is not read, and one warning says so.

    Raises as `stored_release` does if it is not known whether a release is good: such a release is not ignored.
    """
    good: list[Release[SignedArtifact]] = []
    releases = list(stored)
    for number, release in enumerate(releases):
        if number - len(good) >= MAX_NO_GOOD:
            context.output.warning(
                f"{len(releases) - number} more in {MANIFEST_CONTAINER} were not looked at, after"
                f" {MAX_NO_GOOD} bad ones: find out who may write there"
            )
            break
        try:
            good.append(stored_release(context, release))
        except RunbookError as error:
            if not is_no_good(error):
                raise
            context.output.warning(f"{artifact_storage.blob_name(release)} is bad: {error.code}: {error.message}")
    return tuple(good)


def list_blobs(blob_service: "BlobServiceClient", version: str | None = None) -> Mapping[str, datetime]:
    """Return the creation time of each blob by its name, for all releases or for those of one version.

    Raises RunbookError VD-STORAGE-001 (no such container), -005 (too many blobs), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    container = blob_service.get_container_client(MANIFEST_CONTAINER)
    found: dict[str, datetime] = {}
    try:
        listed = container.list_blobs(name_starts_with=f"{version}/" if version else None)
        for blob in bounded(listed, target=MANIFEST_CONTAINER):
            if _PART_NAME.fullmatch(blob.name):
                found[blob.name] = blob.creation_time
    except ResourceNotFoundError as error:
        raise release_errors.CONTAINER_NOT_IMMUTABLE.error(
            "there is no such container", target=MANIFEST_CONTAINER
        ) from error
    return found


def releases_in(blobs: Mapping[str, datetime]) -> tuple[ReleaseId, ...]:
    """Return the releases that the blobs' names show. Those with every part come first, and older before newer ones.

    Anybody who may write blobs can make such a name, but cannot make it older. Only the signature proves a release, see
    runbook_lib.release.stored.
    """
    matches = (_BLOB_NAME.fullmatch(name) for name in blobs)
    releases = [ReleaseId(match["version"], digest_from_hex(match["sha256"])) for match in matches if match]

    def order(release: ReleaseId) -> tuple[bool, datetime]:
        made = [
            blobs[name]
            for part in artifact_storage.PARTS
            if (name := artifact_storage.blob_name(release, part)) in blobs
        ]
        return len(made) < len(artifact_storage.PARTS), max(made)

    return tuple(sorted(releases, key=order))


def _releases(context: "Context", version: str | None) -> tuple[ReleaseId, ...]:
    return releases_in(list_blobs(context.clients.blob_service, version))


def _versions_told(releases: Iterable[ReleaseId]) -> str:
    """Return a text with the versions in artifact storage, the newest first."""
    found = sorted({release.version for release in releases}, key=version_key, reverse=True)
    more = f" and {len(found) - MAX_TOLD} more" if len(found) > MAX_TOLD else ""
    return f"artifact storage holds {', '.join(found[:MAX_TOLD]) or 'no release'}{more}"


def _latest(customer: ContainerRegistryReader, stored: tuple[ReleaseId, ...]) -> tuple[ReleaseId, ...]:
    """Return the stored releases that the customer's `latest` points to."""
    digest = latest_content_digest(customer)
    if digest is None:
        there = _versions_told(stored)
        raise release_errors.NO_RELEASE_INSTALLED.error(f"tag latest is absent; {there}", target=place_name(LATEST))
    return tuple(release for release in stored if release.digest == digest)
