"""The container registry that an import reads from: any server of the OCI distribution API with token authentication.

The credentials are those of importImage: a user or repository-scoped token with its password, or an Entra access token
as a password without a user. The latter is exchanged, as ACR does (learn container-registry-import-images).
"""

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import aiohttp

from lab.container_registry.index import MANIFEST_TYPES, digest_of

USER_AGENT = "acr-import"
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
READ_BYTES = 256 * 1024
# A manifest beyond ACR's own limit is not read to its end.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


class ImportFailedError(Exception):
    """An import failed. The text says why, in ACR's words as far as they are known."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials for the source. If `username` is None, `password` is an Entra access token."""

    username: str | None
    password: str = field(repr=False)


class ImageSource:
    """One repository of the source, read with one access token for the whole import."""

    def __init__(
        self, *, session: aiohttp.ClientSession, host: str, repository: str, credentials: Credentials | None
    ) -> None:
        """Read `repository` at https://`host`, anonymously if `credentials` is None."""
        self._session = session
        self._host = host
        self._url = f"https://{host}/v2/{repository}"
        self._credentials = credentials
        self._authorization: dict[str, str] = {}

    async def manifest(self, reference: str) -> tuple[bytes, str]:
        """Return a manifest's bytes and media type; ImportFailedError if its digest does not match, too."""
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        async with self._get(f"manifests/{reference}", headers) as answer:
            body = await answer.content.read(MAX_MANIFEST_BYTES + 1)
            while len(body) <= MAX_MANIFEST_BYTES and (more := await answer.content.read(READ_BYTES)):
                body += more
            if len(body) > MAX_MANIFEST_BYTES:
                raise ImportFailedError(f"Error copying manifests. {reference} is over {MAX_MANIFEST_BYTES} bytes.")
            expected = reference if ":" in reference else answer.headers.get("Docker-Content-Digest", digest_of(body))
            if digest_of(body) != expected:
                raise ImportFailedError(f"Error copying manifests. DIGEST_INVALID: the bytes do not match {expected}.")
            return body, answer.headers.get("Content-Type", "").partition(";")[0].strip()

    @contextlib.asynccontextmanager
    async def blob(self, digest: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a blob's bytes, which are not checked here; ImportFailedError if the source refuses."""
        async with self._get(f"blobs/{digest}", {}) as answer:
            yield answer.content.iter_chunked(READ_BYTES)

    @contextlib.asynccontextmanager
    async def _get(self, path: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            if not self._authorization:
                await self._authorize(path)
            sent = {"User-Agent": USER_AGENT, **headers, **self._authorization}
            async with self._session.get(f"{self._url}/{path}", headers=sent) as answer:
                await _require_success(answer)
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ImportFailedError(f"Could not read from the source registry '{self._host}': {error}") from error

    async def _authorize(self, path: str) -> None:
        async with self._session.head(f"{self._url}/{path}", headers={"User-Agent": USER_AGENT}) as answer:
            header = answer.headers.get("WWW-Authenticate", "")
            if answer.status != 401:
                return
        challenge = dict(CHALLENGE.findall(header))
        if not header.lower().startswith("bearer ") or "realm" not in challenge:
            raise ImportFailedError(f"Invalid message Unauthorized Unauthorized: no token challenge but '{header}'.")
        query = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        if self._credentials is not None and self._credentials.username is None:
            token = await self._exchanged(self._credentials.password, challenge["realm"], query)
        else:
            token = await self._token("GET", challenge["realm"], self._basic(), params=query)
        self._authorization = {"Authorization": f"Bearer {token}"}

    async def _exchanged(self, entra_token: str, realm: str, query: dict[str, str]) -> str:
        form = {"grant_type": "access_token", "service": query.get("service", ""), "access_token": entra_token}
        refresh = await self._token("POST", f"https://{self._host}/oauth2/exchange", {}, data=form)
        return await self._token(
            "POST", realm, {}, data={"grant_type": "refresh_token", "refresh_token": refresh, **query}
        )

    def _basic(self) -> dict[str, str]:
        if self._credentials is None:
            return {}
        pair = f"{self._credentials.username}:{self._credentials.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    async def _token(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> str:
        every = {"User-Agent": USER_AGENT, **headers}
        if data is not None:
            every["Content-Type"] = "application/x-www-form-urlencoded"  # the session adds no header by itself
        async with self._session.request(method, url, headers=every, params=params, data=data) as answer:
            await _require_success(answer)
            body = await answer.json()
        for name in ("refresh_token", "access_token", "token"):
            if name in body:
                return str(body[name])
        raise ImportFailedError(f"Invalid message Unauthorized Unauthorized: no token at {url}.")


async def _require_success(answer: aiohttp.ClientResponse) -> None:
    """Raise what the source says, worded as ACR does (Azure/acr#181, #457)."""
    if answer.status != 200:
        reason = (answer.reason or str(answer.status)).replace(" ", "")
        raise ImportFailedError(f"Invalid message {reason} {reason} {(await answer.text())[:2000]}")
