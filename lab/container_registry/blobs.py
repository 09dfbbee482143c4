"""Blobs and their uploads at a container registry's front, as the OCI distribution specification 1.1 has them.

Docker Registry 2.8 has the bytes. What it leaves out or does otherwise is done here: a chunk out of order gets 416
(Docker Registry would append it); a range behind a blob's end gets 416 with a body; a malformed digest gets 400 before
a byte is read; nobody reads a link while it is written (lab/container_registry/index.py). Only sha256 is accepted.
"""

import re
from collections.abc import Callable
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from lab.container_registry.access import ContainerRegistryTokens
from lab.container_registry.scopes import Scope
from lab.container_registry.store import ContainerRegistryStore
from lab.front import answers
from lab.front.proxy import forward

DIGEST = r"sha256:[0-9a-f]{64}"
# "<start>-<end>", both inclusive (specification, "Pushing a blob in chunks"); some clients put HTTP's unit before it.
CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/.*)?")
API_HEADERS = {"Docker-Distribution-Api-Version": "registry/2.0"}
# What tells a client where its upload is.
UPLOAD_HEADERS = ("Location", "Range", "Docker-Upload-UUID")


def digest_invalid(digest: str) -> web.Response:
    """Return 400 DIGEST_INVALID for a text that is not a sha256 digest."""
    message = f"invalid digest '{digest}': a digest is sha256: and 64 hexadecimal digits"
    return answers.registry_error(400, "DIGEST_INVALID", message, API_HEADERS)


class BlobApi:
    """The blobs of one container registry. The front has checked the caller's rights."""

    def __init__(
        self, *, store: ContainerRegistryStore, tokens: ContainerRegistryTokens, session: aiohttp.ClientSession
    ) -> None:
        """Pass requests on to the Docker Registry of `store`. `tokens` tells from where a client may mount a blob."""
        self._store = store
        self._tokens = tokens
        self._session = session

    async def start_upload(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """Begin an upload, or link a blob that another repository has."""
        # A blob is mounted only from a repository that the client may read. Otherwise an ordinary upload begins (OCI
        # distribution specification).
        source, digest = request.query.get("from"), request.query.get("mount") or request.query.get("digest")
        query = request.rel_url.raw_query_string
        if digest is not None and re.fullmatch(DIGEST, digest) is None:
            return digest_invalid(digest)
        if source is not None and not self._tokens.allows(request, Scope("repository", source, frozenset({"pull"}))):
            query = ""
        path = f"/v2/{match['name']}/blobs/uploads/"
        links = [(name, digest) for name in (match["name"], source) if name is not None and digest is not None]
        async with self._store.index.linking(*links):
            return await self._forward(request, path, query)

    async def upload(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """Add a chunk to an upload, end it, tell how far it is, or cancel it."""
        digest = request.query.get("digest", "")
        if request.method == "PUT" and re.fullmatch(DIGEST, digest) is None:
            return digest_invalid(digest)
        if request.method in ("PATCH", "PUT") and (refused := await self._out_of_order(request)) is not None:
            return refused
        links = [(match["name"], digest)] if request.method == "PUT" else []
        async with self._store.index.linking(*links):
            return await self._forward(request, request.path, request.rel_url.raw_query_string)

    async def blob(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """Return a blob or a range of it, say whether it is there, or delete it."""
        size = ""
        async with self._store.index.linking((match["name"], match["digest"])) as release:

            def begun(_status: int, headers: CIMultiDict[str]) -> None:
                nonlocal size
                size = headers.get("Content-Range", "")
                release()  # the link has been read: while the bytes are sent, others may go on

            answer = await self._forward(request, request.path, request.rel_url.raw_query_string, begun)
        if answer.status != 416:
            return answer
        headers = {**API_HEADERS, **({"Content-Range": size} if size else {})}
        return answers.registry_error(416, "RANGE_INVALID", "invalid content range", headers)

    async def _out_of_order(self, request: web.Request) -> web.Response | None:
        """Refuse a chunk that does not begin where its upload ends; None if it does, or if it names no range."""
        text = request.headers.get("Content-Range")
        if text is None:
            return None
        found = CONTENT_RANGE.fullmatch(text.strip())
        if found is None:
            return answers.registry_error(416, "RANGE_INVALID", f"invalid content range '{text}'", API_HEADERS)
        first, last = int(found[1]), int(found[2])
        if request.content_length is not None and request.content_length != last - first + 1:
            message = f"the range is {last - first + 1} bytes, the body {request.content_length}"
            return answers.registry_error(400, "SIZE_INVALID", message, API_HEADERS)
        upload = URL(f"{self._store.url}{request.rel_url.raw_path}?_state={request.query.get('_state', '')}")
        async with self._session.get(upload) as asked:
            if asked.status != 204:
                return None  # Docker Registry says what is wrong
            where = {name: asked.headers[name] for name in UPLOAD_HEADERS if name in asked.headers}
        # "0-0" stands for an empty upload, and for an upload of one byte, too.
        reached = int(where.get("Range", "0-0").partition("-")[2])
        if first == reached + 1 or (first == 0 and reached == 0):
            return None
        return answers.registry_error(416, "RANGE_INVALID", f"the upload has {where.get('Range')}", API_HEADERS | where)

    async def _forward(
        self,
        request: web.Request,
        path: str,
        query: str,
        on_answer: Callable[[int, CIMultiDict[str]], None] | None = None,
    ) -> web.StreamResponse:
        return await forward(
            request,
            f"{self._store.url}{quote(path, safe='/:@=')}{'?' + query if query else ''}",
            session=self._session,
            headers={"Authorization": None},
            on_answer=on_answer,
        )
