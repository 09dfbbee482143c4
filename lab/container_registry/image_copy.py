"""Copy an image into a container registry: every manifest and blob that it names. All are checked. Tags come last.

Faithful: an index is copied whole, at most 50 manifests; what refers to an image (signatures) is not copied; a blob
that the target has already is not fetched; bytes that do not match their digest end the import, and no tag is set;
with NoForce an existing target tag ends it before anything is copied (learn container-registry-import-images; the
models of azure-mgmt-containerregistry 15.0.0; azure-facts). Left out: resuming with ranges, blobs at foreign addresses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from lab.container_registry.image_source import ImageSource, ImportFailedError
from lab.container_registry.index import INDEX_TYPES, Manifest, ManifestInvalidError, read_manifest
from lab.container_registry.store import ContainerRegistryStore, StoreFailedError

# "Maximum number of manifests for an imported image is 50" (learn container-registry-import-images).
MAX_MANIFESTS = 50
BLOBS_AT_ONCE = 4


class TagExistsError(Exception):
    """A target tag exists and the mode is NoForce; the text is ACR's (seen in Azure/azure-cli#10938)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an image goes: tags by repository (none: the manifest only), and whether existing tags are moved."""

    repositories: Mapping[str, tuple[str, ...]]
    force: bool


async def copy_image(
    source: ImageSource,
    reference: str,
    target: Target,
    store: ContainerRegistryStore,
    *,
    pause: Callable[[], Awaitable[None]],
) -> None:
    """Copy the image that `reference` (tag or digest) names; TagExistsError or ImportFailedError if that fails.

    `pause` is awaited meanwhile. Before it ends, nothing is visible at the target. The reference is resolved only once,
    at the beginning.
    """
    if not target.force:
        _require_free(target, store)
    # `pause` is as long as the import shall take. So the lab copies the blobs during the pause.
    copied, paused = await asyncio.gather(
        _copy_blobs(source, reference, target, store), pause(), return_exceptions=True
    )
    if isinstance(copied, StoreFailedError):
        raise ImportFailedError(f"Error copying blobs. {copied}") from copied
    if isinstance(copied, BaseException):
        raise copied
    if paused is not None:
        raise paused
    try:
        for repository, tags in target.repositories.items():
            await _put_manifests(repository, tags, copied, store)
    except StoreFailedError as error:
        raise ImportFailedError(f"Error copying blobs. {error}") from error


def _require_free(target: Target, store: ContainerRegistryStore) -> None:
    for repository, tags in target.repositories.items():
        kept = store.index.repositories.get(repository)
        for tag in tags:
            if kept is not None and tag in kept.tags:
                image = f"{repository}:{tag}"
                raise TagExistsError(f"{image} Tag {image} already exists in target registry.")


async def _manifests(source: ImageSource, reference: str) -> list[tuple[Manifest, bytes]]:
    """Return the image's manifests, children before the index that names them."""
    found: dict[str, tuple[Manifest, bytes]] = {}

    async def read(wanted: str) -> None:
        body, media_type = await source.manifest(wanted)
        try:
            manifest = read_manifest(body, media_type)
        except ManifestInvalidError as error:
            raise ImportFailedError(f"Error copying manifests. MANIFEST_INVALID: {error}") from error
        if manifest.media_type in INDEX_TYPES:
            children = [str(child["digest"]) for child in manifest.children]
            if len(found) + len(children) + 1 > MAX_MANIFESTS:
                raise ImportFailedError(f"The image has more manifests than can be imported: {MAX_MANIFESTS}.")
            for child in children:
                if child not in found:
                    await read(child)
        found[manifest.digest] = manifest, body

    await read(reference)
    return list(found.values())


async def _copy_blobs(
    source: ImageSource, reference: str, target: Target, store: ContainerRegistryStore
) -> list[tuple[Manifest, bytes]]:
    """Copy every blob of the image, and return its manifests for `_put_manifests`."""
    manifests = await _manifests(source, reference)
    blobs = list(dict.fromkeys(blob for manifest, _ in manifests for blob in manifest.blobs))
    slots = asyncio.Semaphore(BLOBS_AT_ONCE)

    async def copy(repository: str, digest: str) -> None:
        async with slots:
            await _copy_blob(repository, digest, source, store)

    for repository in target.repositories:
        copies = [asyncio.ensure_future(copy(repository, blob)) for blob in blobs]
        try:
            await asyncio.gather(*copies)
        finally:
            for one in copies:
                one.cancel()
    return manifests


async def _put_manifests(
    repository: str, tags: Iterable[str], manifests: list[tuple[Manifest, bytes]], store: ContainerRegistryStore
) -> None:
    for manifest, body in manifests:
        last = manifest is manifests[-1][0]
        refused = await store.put_manifest(repository, manifest, body, tags if last else ())
        if refused is not None:
            raise ImportFailedError(f"Error copying manifests. {refused.text}")


async def _copy_blob(repository: str, digest: str, source: ImageSource, store: ContainerRegistryStore) -> None:
    if await store.has_blob(repository, digest):
        return
    upload = await store.start_blob(repository, digest)
    if upload is None:
        return
    async with source.blob(digest) as content:
        refused = await store.finish_blob(upload, repository, digest, content)
    if refused is not None:
        # Docker Registry has checked the digest.
        raise ImportFailedError(f"Error copying blobs. {digest}: {refused}")
