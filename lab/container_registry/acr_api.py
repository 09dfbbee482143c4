"""ACR's own API below /acr/v1: repositories, tags and manifests with their times, listed page by page, and deleted.

Faithful: what azure-containerregistry 1.2.0 (api-version 2021-07-01) calls to list and delete: `n`, `last`, `orderby`,
`Link` with rel="next", 202 with what a repository's deletion removed. Left out: changing the locks (every attribute
stays true), an image's architecture and operating system (its configuration has them), quarantine.
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from lab.container_registry.access import ContainerRegistryTokens
from lab.container_registry.index import Entry, ManifestEntry, Repository, TagEntry
from lab.container_registry.scopes import CATALOG_SCOPE, repository_scope
from lab.container_registry.store import ContainerRegistryStore, unknown_repository
from lab.front import answers

API_VERSIONS = ("2021-07-01", "2019-08-15-preview")
PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
PREFIX = "/acr/v1/"

AnEntry = TypeVar("AnEntry", bound=Entry)


class AcrApi:
    """The API of one container registry."""

    def __init__(self, *, store: ContainerRegistryStore, tokens: ContainerRegistryTokens, login_server: str) -> None:
        """Answer from `store` for the callers that `tokens` accepts. `login_server` is host:port."""
        self._store = store
        self._tokens = tokens
        self._login_server = login_server

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer a request below /acr/v1/."""
        version = request.query.get("api-version", API_VERSIONS[0])
        if version not in API_VERSIONS:
            return answers.registry_error(400, "UNSUPPORTED", f"api-version '{version}' is not supported")
        path = request.path.removeprefix(PREFIX)
        if path == "_catalog" and request.method == "GET":
            self._tokens.require(request, CATALOG_SCOPE)
            return self.catalog(request)
        name, kind, item = _split(path)
        actions = {"GET": "metadata_read", "DELETE": "delete"}
        if request.method not in actions or (request.method == "DELETE" and kind and not (kind == "_tags" and item)):
            raise web.HTTPMethodNotAllowed(request.method, list(actions))
        self._tokens.require(request, repository_scope(name, actions[request.method]))
        kept = self._store.index.repositories.get(name)
        if kept is None:
            return unknown_repository(name)
        if request.method == "DELETE":
            return self._untag(name, item) if kind else await self._delete(name, kept)
        if not kind:
            return web.json_response(self._repository(name, kept))
        listing = self._tag_list if kind == "_tags" else self._manifest_list
        return listing(request, name, kept, item)

    def catalog(self, request: web.Request) -> web.Response:
        """Return the names of the repositories, a page of them."""
        names = sorted(self._store.index.repositories)
        shown, headers = _page(request, names)
        return web.json_response({"repositories": shown}, headers=headers)

    def tag_names(self, request: web.Request, name: str) -> web.Response:
        """Return the names of a repository's tags, as `/v2/<name>/tags/list` does."""
        kept = self._store.index.repositories.get(name)
        if kept is None:
            return unknown_repository(name)
        shown, headers = _page(request, sorted(kept.tags))
        return web.json_response({"name": name, "tags": shown}, headers=headers)

    async def _delete(self, name: str, kept: Repository) -> web.Response:
        tags, manifests = sorted(kept.tags), []
        while kept.manifests:
            manifests += await self._store.delete_manifest(name, next(iter(kept.manifests)))
        del self._store.index.repositories[name]
        return web.json_response({"manifestsDeleted": manifests, "tagsDeleted": tags}, status=202)

    def _untag(self, name: str, tag: str) -> web.Response:
        if not self._store.index.untag(name, tag):
            return _tag_unknown(tag)
        return web.Response(status=202)

    def _tag_list(self, request: web.Request, name: str, kept: Repository, tag: str) -> web.Response:
        if tag:
            if tag not in kept.tags:
                return _tag_unknown(tag)
            return self._answer(name, {"tag": _tag(tag, kept.tags[tag])})
        digest = request.query.get("digest")
        tags = {one: entry for one, entry in kept.tags.items() if digest in (None, entry.digest)}
        shown, headers = _page(request, _ordered(request, tags))
        return self._answer(name, {"tags": [_tag(one, tags[one]) for one in shown]}, headers)

    def _manifest_list(self, request: web.Request, name: str, kept: Repository, digest: str) -> web.Response:
        if digest:
            if digest not in kept.manifests:
                return answers.registry_error(404, "MANIFEST_UNKNOWN", f"manifest {digest} is not found")
            return self._answer(name, {"manifest": self._manifest(name, kept.manifests[digest])})
        shown, headers = _page(request, _ordered(request, kept.manifests))
        manifests = [self._manifest(name, kept.manifests[one]) for one in shown]
        return self._answer(name, {"manifests": manifests}, headers)

    def _answer(self, name: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
        return web.json_response({"registry": self._login_server, "imageName": name, **body}, headers=headers)

    def _repository(self, name: str, kept: Repository) -> dict[str, Any]:
        return {
            "registry": self._login_server,
            "imageName": name,
            **_times(kept),
            "manifestCount": len(kept.manifests),
            "tagCount": len(kept.tags),
            "changeableAttributes": UNLOCKED,
        }

    def _manifest(self, name: str, entry: ManifestEntry) -> dict[str, Any]:
        manifest = entry.manifest
        shown: dict[str, Any] = {
            "digest": manifest.digest,
            "imageSize": manifest.content_size,
            **_times(entry),
            "mediaType": manifest.media_type,
            "tags": self._store.index.tags_of(name, manifest.digest),
            "changeableAttributes": UNLOCKED,
        }
        if manifest.config_media_type:
            shown["configMediaType"] = manifest.config_media_type
        if manifest.children:
            shown["references"] = [_reference(child) for child in manifest.children]
        return shown


def _reference(child: Mapping[str, Any]) -> dict[str, Any]:
    platform = child.get("platform", {})
    return {"digest": child["digest"], "architecture": platform.get("architecture"), "os": platform.get("os")}


def _split(path: str) -> tuple[str, str, str]:
    """Split `<name>[/_tags|/_manifests[/<item>]]`."""
    for kind in ("_tags", "_manifests"):
        name, found, item = path.partition(f"/{kind}")
        if found and (not item or item.startswith("/")):
            return name, kind, item.removeprefix("/")
    return path, "", ""


def _ordered(request: web.Request, entries: Mapping[str, AnEntry]) -> list[str]:
    """Return the keys in the order that the request wishes: by name, or by time."""
    order = request.query.get("orderby", "")
    if order not in ("timeasc", "timedesc"):
        return sorted(entries)
    return sorted(entries, key=lambda key: (entries[key].updated, key), reverse=order == "timedesc")


def _page(request: web.Request, keys: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the page after `last`, of at most `n`, and its `Link` to the next."""
    wanted = request.query.get("n", "")
    size = min(int(wanted), MAX_PAGE_SIZE) if wanted.isascii() and wanted.isdigit() else PAGE_SIZE
    if not size:  # an empty list, and no Link (OCI distribution specification, "Listing Tags")
        return [], {}
    last = request.query.get("last")
    if last is not None:
        keys = keys[keys.index(last) + 1 :] if last in keys else [key for key in keys if key > last]
    if len(keys) <= size:
        return keys, {}
    query = {**request.query, "last": keys[size - 1], "n": str(size)}
    return keys[:size], {"Link": f'<{request.rel_url.raw_path}?{urlencode(query)}>; rel="next"'}


def _times(entry: Entry) -> dict[str, str]:
    return {"createdTime": _time(entry.created), "lastUpdateTime": _time(entry.updated)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _tag(name: str, entry: TagEntry) -> dict[str, Any]:
    return {"name": name, "digest": entry.digest, **_times(entry), "signed": False, "changeableAttributes": UNLOCKED}


def _tag_unknown(tag: str) -> web.Response:
    return answers.registry_error(404, "TAG_UNKNOWN", "the specified tag does not exist", None, {"name": tag})
