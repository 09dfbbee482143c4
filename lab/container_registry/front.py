"""ACR's data plane in front of a Docker Registry: OCI distribution with ACR's authentication, tags and referrers.

Faithful: the 401 challenge before everything (lab/container_registry/access.py), the OCI distribution API with the
referrers API and `OCI-Subject` of its version 1.1 (which Docker Registry 2.8 lacks), ACR's own API
(lab/container_registry/acr_api.py), manifests up to 4 MiB, digests kept from push to pull; a manifest is sent in its
own media type or not at all. The bytes are Docker Registry's: it stores blobs and manifests and refuses a manifest
whose parts it does not have. Tags and subjects are the front's (lab/container_registry/index.py).
Left out: the 307 of a blob to blob storage (the bytes come at once), data-plane rate limits (a fault `throttle` injects
a 429), conversion to schema 1, retention, quarantine, locks.
Sources: OCI distribution specification 1.1; Azure/acr docs; azure-containerregistry 1.2.0; docker/distribution 2.8.
"""

import json
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from lab.container_registry.access import AccessRefused, ContainerRegistryTokens
from lab.container_registry.acr_api import AcrApi
from lab.container_registry.blobs import API_HEADERS, DIGEST, BlobApi, digest_invalid
from lab.container_registry.index import ManifestInvalidError, digest_of, read_manifest
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.container_registry.scopes import CATALOG_SCOPE, repository_scope
from lab.container_registry.store import ContainerRegistryStore
from lab.front import answers
from lab.shared import Lab

# "Max manifest size 4 MiB" (learn container-registry-skus); azure-containerregistry reads no more either.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = rf"(?P<name>{PART}(?:/{PART})*)"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
MANIFEST = re.compile(rf"/v2/{NAME}/manifests/(?P<reference>{TAG}|{DIGEST})")
REFERRERS = re.compile(rf"/v2/{NAME}/referrers/(?P<digest>{DIGEST})")
TAGS = re.compile(rf"/v2/{NAME}/tags/list")
BLOB = re.compile(rf"/v2/{NAME}/blobs/(?P<digest>{DIGEST})")
UPLOADS = re.compile(rf"/v2/{NAME}/blobs/uploads/?")
UPLOAD = re.compile(rf"/v2/{NAME}/blobs/uploads/[A-Za-z0-9_=.-]+")
# A text in the place of a digest. A manifest may have a tag there, but a tag has no colon.
NO_DIGEST = re.compile(
    rf"/v2/{NAME}/(?:manifests/(?P<one>[^/]*:[^/]*)|(?:blobs|referrers)/(?P<other>(?!uploads)[^/]+))"
)
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
READS = ("GET", "HEAD")

Answer = Callable[[web.Request, "re.Match[str]"], Awaitable[web.StreamResponse]]


def routes(lab: Lab, service: str, store: ContainerRegistryStore, registry_tokens: RegistryTokens) -> web.Application:
    """Return the app of the container registry `service`, a key of Lab.urls, whose content is in `store`."""
    tokens = ContainerRegistryTokens(lab=lab, service=service, registry_tokens=registry_tokens)
    front = ContainerRegistryFront(lab=lab, service=service, store=store, tokens=tokens)
    application = web.Application(client_max_size=MAX_MANIFEST_BYTES)
    application.router.add_post("/oauth2/exchange", _refusing(front.tokens.exchange))
    application.router.add_post("/oauth2/token", _refusing(front.tokens.token_for_form))
    application.router.add_get("/oauth2/token", _refusing(front.tokens.token_for_basic), allow_head=False)
    application.router.add_route("*", "/{path:.*}", _refusing(front.dispatch))
    return application


def _refusing(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except AccessRefused as refused:
            return refused.answer

    return handle


class ContainerRegistryFront:
    """One container registry."""

    def __init__(
        self, *, lab: Lab, service: str, store: ContainerRegistryStore, tokens: ContainerRegistryTokens
    ) -> None:
        """Serve what is in `store` to the callers that `tokens` accepts."""
        self._store = store
        self.tokens = tokens
        blobs = BlobApi(store=self._store, tokens=self.tokens, session=lab.upstream)
        self._acr = AcrApi(store=self._store, tokens=self.tokens, login_server=lab.host(service))
        # Path, methods, the actions that are needed on the repository, and who answers.
        self._table: tuple[tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...], Answer], ...] = (
            (MANIFEST, READS, ("pull",), self._get_manifest),
            (MANIFEST, ("PUT",), ("pull", "push"), self._put_manifest),
            (MANIFEST, ("DELETE",), ("delete",), self._delete_manifest),
            (REFERRERS, ("GET",), ("pull",), self._referrers),
            (TAGS, ("GET",), ("metadata_read",), self._tags),
            (UPLOADS, ("POST",), ("pull", "push"), blobs.start_upload),
            (UPLOAD, ("GET", "PATCH", "PUT", "DELETE"), ("pull", "push"), blobs.upload),
            (BLOB, READS, ("pull",), blobs.blob),
            (BLOB, ("DELETE",), ("delete",), blobs.blob),
        )

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to the API, not to the token endpoints."""
        path = request.path
        if path in ("/v2", "/v2/"):
            self.tokens.require(request, None)
            return web.json_response({}, headers=API_HEADERS)
        if path.startswith("/acr/v1/"):
            return await self._acr.dispatch(request)
        if path == "/v2/_catalog" and request.method == "GET":
            self.tokens.require(request, CATALOG_SCOPE)
            return self._acr.catalog(request)
        known = [(row, match) for row in self._table if (match := row[0].fullmatch(path)) is not None]
        for (_, methods, actions, answer), match in known:
            if request.method in methods:
                self.tokens.require(request, repository_scope(match["name"], *actions))
                return await answer(request, match)
        if not known and (wrong := NO_DIGEST.fullmatch(path)) is not None:
            self.tokens.require(request, repository_scope(wrong["name"], "pull"))
            return digest_invalid(wrong["one"] or wrong["other"])
        raise web.HTTPMethodNotAllowed(request.method, READS) if known else web.HTTPNotFound

    async def _get_manifest(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        entry = self._store.index.resolve(match["name"], match["reference"])
        if entry is None:
            return _manifest_unknown(match["name"], match["reference"])
        manifest = entry.manifest
        if not accepts(request.headers.getall("Accept", []), manifest.media_type):
            return _manifest_unknown(match["name"], match["reference"], f"it is '{manifest.media_type}', not accepted")
        headers = {
            **API_HEADERS,
            "Content-Type": manifest.media_type,
            "Docker-Content-Digest": manifest.digest,
            "ETag": f'"{manifest.digest}"',
        }
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(manifest.size)})
        body = await self._store.manifest(match["name"], manifest.digest)
        return web.Response(body=body, headers=headers)

    async def _put_manifest(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        name, reference = match["name"], match["reference"]
        body = await request.read()  # 413 beyond the app's client_max_size
        if reference.startswith("sha256:") and reference != digest_of(body):
            message = f"the digest of the manifest is {digest_of(body)}"
            return answers.registry_error(400, "DIGEST_INVALID", message, API_HEADERS)
        try:
            manifest = read_manifest(body, request.headers.get("Content-Type", "").partition(";")[0].strip())
        except ManifestInvalidError as error:
            return answers.registry_error(400, "MANIFEST_INVALID", str(error), API_HEADERS)
        tags = [] if reference == manifest.digest else [reference]
        refused = await self._store.put_manifest(name, manifest, body, tags)
        if refused is not None:
            return refused
        headers = {
            **API_HEADERS,
            "Docker-Content-Digest": manifest.digest,
            "Location": f"/v2/{name}/manifests/{manifest.digest}",
        }
        if manifest.subject is not None:
            headers["OCI-Subject"] = manifest.subject
        return web.Response(status=201, headers=headers)

    async def _delete_manifest(self, _request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        name, reference = match["name"], match["reference"]
        entry = self._store.index.resolve(name, reference)
        if entry is None:
            return _manifest_unknown(name, reference)
        if reference == entry.manifest.digest:
            await self._store.delete_manifest(name, reference)
        else:
            self._store.index.untag(name, reference)
        return web.Response(status=202, headers=API_HEADERS)

    async def _referrers(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        found = self._store.index.referrers(match["name"], match["digest"])
        headers = {**API_HEADERS, "Content-Type": INDEX_TYPE}
        wanted = request.query.getall("artifactType", [])
        if wanted:
            found = [one for one in found if one.get("artifactType") in wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": found}
        return web.Response(body=json.dumps(index).encode(), headers=headers)

    async def _tags(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        return self._acr.tag_names(request, match["name"])


def accepts(headers: list[str], media_type: str) -> bool:
    """Tell whether `Accept` headers take a manifest's media type. No header at all takes every media type."""
    accepted = {part.partition(";")[0].strip() for header in headers for part in header.split(",")}
    return not accepted or not accepted.isdisjoint({media_type, "*/*", "application/*"})


def _manifest_unknown(name: str, reference: str, why: str = "manifest unknown") -> web.Response:
    detail = {"name": name, "revision" if reference.startswith("sha256:") else "tag": reference}
    message = f"manifest {'' if why.startswith('manifest') else 'unknown: '}{why.removeprefix('manifest ')}"
    return answers.registry_error(404, "MANIFEST_UNKNOWN", message, API_HEADERS, detail)
