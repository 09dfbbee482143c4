"""What Docker Registry cannot tell about its content: tags, times, subjects. Pure.

Docker Registry keeps the bytes of manifests and blobs. Tags are kept here, because it can neither remove a single tag
nor say when a tag was set. Subjects are kept here, because its version 2 does not know them. Locks on its links are
kept here, too: a link is a file that says that a repository has a blob or a manifest. Docker Registry 2.8 overwrites
this file in place without a lock. Somebody who reads it at that moment finds it empty, and answers DIGEST_INVALID or
that the blob is unknown (distribution/distribution#2098). Azure's service does not have this race.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)
MANIFEST_TYPES = (*IMAGE_TYPES, *INDEX_TYPES)
# Where to get a layer that is kept elsewhere (`urls` of a descriptor, OCI image specification).
ELSEWHERE = re.compile(r"https?://\S+")


class ManifestInvalidError(Exception):
    """The bytes are not a manifest of the given media type. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one manifest says about itself."""

    digest: str
    media_type: str
    size: int  # of the manifest's own bytes
    content_size: int  # the sum of everything that it names
    config_media_type: str | None
    artifact_type: str | None
    subject: str | None  # digest
    annotations: dict[str, str] | None
    blobs: tuple[str, ...]  # digests of config and layers, without those that are kept elsewhere (`urls`)
    children: tuple[dict[str, Any], ...]  # descriptors of an index


@dataclass(slots=True, kw_only=True)
class Entry:
    """A manifest or a tag of a repository, and when it was created and last changed, in seconds since the epoch."""

    created: float
    updated: float


@dataclass(slots=True, kw_only=True)
class ManifestEntry(Entry):
    """A manifest of a repository."""

    manifest: Manifest


@dataclass(slots=True, kw_only=True)
class TagEntry(Entry):
    """A tag of a repository."""

    digest: str


@dataclass(slots=True, kw_only=True)
class Repository(Entry):
    """A repository: manifests by digest, tags by name."""

    manifests: dict[str, ManifestEntry] = field(default_factory=dict)
    tags: dict[str, TagEntry] = field(default_factory=dict)


def digest_of(body: bytes) -> str:
    """Return a manifest's digest."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def read_manifest(body: bytes, media_type: str) -> Manifest:
    """Read a manifest; ManifestInvalidError if it is malformed."""
    if media_type not in MANIFEST_TYPES:
        raise ManifestInvalidError(f"media type '{media_type}' is not supported")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ManifestInvalidError(f"the manifest is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schemaVersion") != 2:
        raise ManifestInvalidError("schemaVersion is not 2")
    if content.get("mediaType", media_type) != media_type:
        raise ManifestInvalidError(f"mediaType is '{content['mediaType']}', Content-Type '{media_type}'")
    try:
        return _read(body, media_type, content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ManifestInvalidError(f"a descriptor is malformed: {error!r}") from error


def _read(body: bytes, media_type: str, content: dict[str, Any]) -> Manifest:
    children = tuple(content["manifests"]) if media_type in INDEX_TYPES else ()
    config = content["config"] if media_type in IMAGE_TYPES else None
    named = [config, *content["layers"]] if config is not None else list(children)
    for url in (url for descriptor in named for url in descriptor.get("urls") or ()):
        if ELSEWHERE.fullmatch(url) is None:
            raise ManifestInvalidError(f"'{url}' is not an address from which a layer can be fetched")
    config_type = None if config is None else str(config["mediaType"])
    subject = content.get("subject")
    return Manifest(
        digest=digest_of(body),
        media_type=media_type,
        size=len(body),
        content_size=sum(int(descriptor["size"]) for descriptor in named),
        config_media_type=config_type,
        artifact_type=content.get("artifactType") or config_type,
        subject=None if subject is None else str(subject["digest"]),
        annotations=content.get("annotations"),
        blobs=tuple(str(one["digest"]) for one in named if not one.get("urls")) if config is not None else (),
        children=children,
    )


class ContainerRegistryIndex:
    """The repositories of one container registry."""

    def __init__(self) -> None:
        """Start empty."""
        self.repositories: dict[str, Repository] = {}
        self._links: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def linking(self, *links: tuple[str, str]) -> AsyncIterator[Callable[[], None]]:
        """Lock links: pairs of a repository and the digest of a blob or manifest.

        The block gets a function that unlocks them before the block ends.
        """
        held: list[asyncio.Lock] = []

        def release() -> None:
            while held:
                held.pop().release()

        try:
            for link in sorted(set(links)):  # Everybody locks in the same order, so that no two wait for each other.
                lock = self._links.setdefault(link, asyncio.Lock())
                await lock.acquire()
                held.append(lock)
            yield release
        finally:
            release()

    def record(self, repository: str, manifest: Manifest, tags: Iterable[str], *, now: float) -> None:
        """Add a manifest that Docker Registry has, and point the tags at it."""
        kept = self.repositories.setdefault(repository, Repository(created=now, updated=now))
        kept.updated = now
        entry = kept.manifests.setdefault(manifest.digest, ManifestEntry(created=now, updated=now, manifest=manifest))
        entry.updated = now
        for tag in tags:
            set_before = kept.tags.get(tag)
            created = set_before.created if set_before is not None else now
            kept.tags[tag] = TagEntry(created=created, updated=now, digest=manifest.digest)

    def resolve(self, repository: str, reference: str) -> ManifestEntry | None:
        """Return the manifest that a tag or digest names."""
        kept = self.repositories.get(repository)
        if kept is None:
            return None
        tag = kept.tags.get(reference)
        return kept.manifests.get(reference if tag is None else tag.digest)

    def tags_of(self, repository: str, digest: str) -> list[str]:
        """Return the tags that point at a manifest, sorted."""
        tags = self.repositories[repository].tags
        return sorted(tag for tag, entry in tags.items() if entry.digest == digest)

    def untag(self, repository: str, tag: str) -> bool:
        """Remove a tag but not its manifest; tell whether the tag was there."""
        kept = self.repositories.get(repository)
        return kept is not None and kept.tags.pop(tag, None) is not None

    def delete_manifest(self, repository: str, digest: str) -> list[str]:
        """Remove a manifest, its tags and, as ACR does, everything that refers to it; return the removed digests."""
        kept = self.repositories[repository]
        removed = [digest]
        for found in removed:  # The list grows, because a referrer's own referrers are removed too.
            kept.manifests.pop(found)
            removed += [other for other, entry in kept.manifests.items() if entry.manifest.subject == found]
        for tag in [tag for tag, entry in kept.tags.items() if entry.digest in removed]:
            del kept.tags[tag]
        return removed

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """Return descriptors of the manifests whose subject is `digest`, oldest first."""
        kept = self.repositories.get(repository)
        found = [entry.manifest for entry in kept.manifests.values()] if kept is not None else []
        return [_descriptor(manifest) for manifest in found if manifest.subject == digest]

    def home_of(self, blob: str) -> str | None:
        """Return a repository that has the blob with this digest."""
        for name, kept in self.repositories.items():
            if any(blob in entry.manifest.blobs for entry in kept.manifests.values()):
                return name
        return None

    def clear(self) -> None:
        """Forget everything."""
        self.repositories.clear()


def _descriptor(manifest: Manifest) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size,
    }
    if manifest.artifact_type:
        descriptor["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        descriptor["annotations"] = manifest.annotations
    return descriptor
