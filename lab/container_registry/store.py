"""What a container registry holds: the bytes in its Docker Registry and the index beside them, changed together."""

from collections.abc import AsyncIterator, Iterable

import aiohttp
from aiohttp import web
from yarl import URL

from lab.container_registry.index import MANIFEST_TYPES, ContainerRegistryIndex, Manifest
from lab.front import answers
from lab.shared import Lab

ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


class StoreFailedError(Exception):
    """Docker Registry refused something that it should accept. The text has its answer."""


class ContainerRegistryStore:
    """One container registry's content. It does not check who asks."""

    def __init__(self, *, lab: Lab, service: str) -> None:
        """Keep the bytes in the Docker Registry at `lab.real_urls[service]`, which starts empty."""
        self.index = ContainerRegistryIndex()
        self._service = service
        self._urls = lab.real_urls
        self._session = lab.upstream
        self._clock = lab.clock

    @property
    def url(self) -> str:
        """The address of the Docker Registry. Each start of it may change the address."""
        return self._urls[self._service]

    async def manifest(self, repository: str, digest: str) -> bytes:
        """Return the bytes that are kept for a manifest, without a check."""
        url = f"{self.url}/v2/{repository}/manifests/{digest}"
        async with self.index.linking((repository, digest)), self._session.get(url, headers=ACCEPT) as answer:
            if answer.status != 200:
                raise StoreFailedError(f"GET {digest}: {answer.status} {await answer.text()}")
            return await answer.read()

    async def put_manifest(
        self, repository: str, manifest: Manifest, body: bytes, tags: Iterable[str]
    ) -> web.Response | None:
        """Keep a manifest and set its tags; return Docker Registry's refusal, e.g. because a blob is missing."""
        url = f"{self.url}/v2/{repository}/manifests/{manifest.digest}"
        headers = {"Content-Type": manifest.media_type}
        parts = (manifest.digest, *manifest.blobs, *(str(child["digest"]) for child in manifest.children))
        links = [(repository, part) for part in parts]
        async with self.index.linking(*links), self._session.put(url, data=body, headers=headers) as answer:
            if answer.status != 201:
                return web.Response(
                    status=answer.status, body=await answer.read(), headers={"Content-Type": "application/json"}
                )
        self.index.record(repository, manifest, tags, now=self._clock.now())
        return None

    async def delete_manifest(self, repository: str, digest: str) -> list[str]:
        """Delete a manifest and what refers to it; return the digests."""
        removed = self.index.delete_manifest(repository, digest)
        for found in removed:
            url = f"{self.url}/v2/{repository}/manifests/{found}"
            async with self.index.linking((repository, found)), self._session.delete(url) as answer:
                if answer.status != 202:
                    raise StoreFailedError(f"DELETE {found}: {answer.status} {await answer.text()}")
        return removed

    async def has_blob(self, repository: str, digest: str) -> bool:
        """Tell whether the repository has a blob."""
        url = f"{self.url}/v2/{repository}/blobs/{digest}"
        async with self.index.linking((repository, digest)), self._session.head(url) as answer:
            return answer.status == 200

    async def start_blob(self, repository: str, digest: str) -> str | None:
        """Link a blob from another repository and return None, or return the address of a new upload."""
        home = self.index.home_of(digest)
        url = f"{self.url}/v2/{repository}/blobs/uploads/"
        query = {} if home is None else {"mount": digest, "from": home}
        links = [(one, digest) for one in (repository, home) if one is not None]
        async with self.index.linking(*links), self._session.post(URL(url).with_query(query)) as answer:
            if answer.status == 201:
                return None
            if answer.status != 202:
                raise StoreFailedError(f"POST {repository}: {answer.status} {await answer.text()}")
            return self._location(answer)

    async def finish_blob(self, upload: str, repository: str, digest: str, content: AsyncIterator[bytes]) -> str | None:
        """Send a blob to its upload; return Docker Registry's refusal, e.g. DIGEST_INVALID, as text."""
        headers = {"Content-Type": "application/octet-stream"}
        try:
            # The upload has two steps. Only the second one writes the link. It is short, because others wait for it.
            async with self._session.patch(URL(upload, encoded=True), data=content, headers=headers) as answer:
                if answer.status != 202:
                    raise StoreFailedError(f"PATCH {digest}: {answer.status} {await answer.text()}")
                url = URL(self._location(answer), encoded=True).update_query({"digest": digest})
            async with self.index.linking((repository, digest)), self._session.put(url) as answer:
                return None if answer.status == 201 else await answer.text()
        except aiohttp.ClientError as error:
            raise StoreFailedError(f"PUT {digest}: {error}") from error

    def _location(self, answer: aiohttp.ClientResponse) -> str:
        return str(URL(self.url).join(URL(answer.headers["Location"], encoded=True)))


def unknown_repository(name: str) -> web.Response:
    """Return 404 NAME_UNKNOWN."""
    return answers.registry_error(404, "NAME_UNKNOWN", "repository name not known to registry", None, {"name": name})
