"""See what a container registry has, and send it blobs and manifests, with oras-py's client (oras 0.2.43).

What that client gets wrong is put right here, and nowhere else:

1. Its requests have no time limit, are repeated after any exception with waits of its own (5 times, up to 83 s), and a
   Retry-After is ignored. Here every request goes through runbook_lib's wire, under the one network retry policy.
2. It keeps one bearer token for all repositories and offers it again after a 401, so that the second repository of a
   scoped token is refused. Here tokens are kept by repository and renewed after a 401.
3. Any answer but 200 to a HEAD counts as "absent", a 429 too. Here only 404 does.
4. `upload_manifest` writes the JSON anew, which changes its digest. Here the bytes are sent as they are.
5. `put_upload` reads the whole blob into memory. Here it gets small ones alone; others are sent piece by piece.
6. The upload goes wherever `Location` leads, bearer token included. Here it stays at the login server.
7. The answer that opens an upload is not checked. Here every answer is.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from oras.provider import Registry

from oci.layout import INDEX_MEDIA_TYPE, Descriptor
from runbook_lib.clock import Clock
from runbook_lib.container_registry import DIGEST, MANIFEST_TYPES, ContainerRegistryReader
from runbook_lib.container_registry_auth import AccessToken, AccessTokens, TokenSource
from runbook_lib.container_registry_wire import ABSENT, REDIRECTS, Answer, ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.retry import AnswerLost

# The size of one PATCH, and of the largest blob that is sent in one PUT. azure-containerregistry sends as much.
PIECE_BYTES = 4 * 1024 * 1024
REFUSED = (401, 403)
# What a server says to the rest of an upload of which it got a piece twice, or half of one: digest or state do not fit,
# or it has ended it.
BROKEN_OFF = (400, 404, 416, 500, 502, 503, 504)
_REPOSITORY = re.compile(r"/v2/(?P<name>.+?)/(?:blobs|manifests|referrers|tags)/")
# An index of referrers holds a few hundred bytes for each; azure-containerregistry takes as much.
MAX_INDEX_BYTES = 4 * 1024 * 1024
CHANGED_MEANWHILE = 412


class _WriteScopes:
    """Access tokens that may also push."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def fetch(self, scopes: Sequence[str]) -> AccessToken:
        """Return a new access token for the scopes, with push beside pull."""
        return self._source.fetch([f"{scope},push" for scope in scopes])

    def forget(self) -> None:
        """Drop what the source keeps."""
        self._source.forget()


class ContainerRegistryWriter(Registry):  # type: ignore[misc] # oras has no types
    """Writes to one container registry; for use by many threads.

    Errors (RunbookError): VD-PUSH-005 (refused), VD-PUSH-006 (an upload was not taken; what was sent may or may not be
    there), and the wire's own.
    """

    def __init__(self, *, wire: ContainerRegistryWire, source: TokenSource, clock: Clock) -> None:
        super().__init__(hostname=wire.login_server)
        self._wire = wire
        self._reading = AccessTokens(source=source, clock=clock)
        self._writing = AccessTokens(source=_WriteScopes(source), clock=clock)

    def expect(self, *, read: Iterable[str], written: Iterable[str]) -> None:
        """Say which repositories will be used, so that they share access tokens."""
        self._reading.expect(read)
        self._writing.expect(written)

    def reader(self) -> ContainerRegistryReader:
        """Return a reader of the same container registry."""
        return ContainerRegistryReader(wire=self._wire, tokens=self._reading)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether the container registry says that it has the blob; a redirect leads to where it keeps it."""
        url = f"{self._wire.base_url}/v2/{repository}/blobs/{digest}"
        answer = self._send("HEAD", url, b"", {})
        if answer.status == ABSENT:
            return False
        if answer.status != 200 and answer.status not in REDIRECTS:
            raise self._wire.failure(answer, f"{repository}@{digest}")
        return True

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of what a tag or digest points to, None where there is none."""
        target = f"{repository}:{reference}"
        answer = self._send(
            "HEAD",
            f"{self._wire.base_url}/v2/{repository}/manifests/{reference}",
            b"",
            {"Accept": ", ".join(MANIFEST_TYPES)},
        )
        if answer.status == ABSENT:
            return None
        if answer.status != 200:
            raise self._wire.failure(answer, target)
        digest = answer.headers.get("Docker-Content-Digest", "")
        if not DIGEST.fullmatch(digest):
            raise RunbookError("VD-REGISTRY-006", f"no sha256 digest but {digest[:80]!r}", target=target)
        return digest

    def send_blob(self, repository: str, path: Path, descriptor: Descriptor) -> None:
        """Upload a blob from its file; the container registry compares its digest."""
        layer = {"digest": descriptor.digest, "size": descriptor.size}
        container = self.get_container(f"{self._wire.login_server}/{repository}")
        if descriptor.size <= PIECE_BYTES:
            self._check_200_response(self.put_upload(str(path), container, layer))
        else:
            self._check_200_response(self.chunked_upload(str(path), container, layer, chunk_size=PIECE_BYTES))

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Put a manifest's bytes under a digest or a tag."""
        url = f"{self._wire.base_url}/v2/{repository}/manifests/{reference}"
        self._check_200_response(self.do_request(url, "PUT", data=content, headers={"Content-Type": media_type}))

    def get(self, path: str, *, accept: str) -> Answer | None:
        """Return the answer to a GET of an index below the login server, None where it is absent."""
        answer = self._send("GET", f"{self._wire.base_url}{path}", b"", {"Accept": accept})
        if answer.status == ABSENT:
            return None
        if answer.status != 200:
            raise self._wire.failure(answer, path)
        return answer

    def put_index(self, repository: str, tag: str, content: bytes, *, etag: str) -> None:
        """Put an index under a tag, unless another than that of this ETag is there: what is there then tells which.

        A server without conditions takes it in any case.
        """
        url = f"{self._wire.base_url}/v2/{repository}/manifests/{tag}"
        condition = {"If-Match": etag} if etag else {}
        answer = self.do_request(url, "PUT", data=content, headers={"Content-Type": INDEX_MEDIA_TYPE, **condition})
        if answer.status_code != CHANGED_MEANWHILE:
            self._check_200_response(answer)

    def do_request(
        self, url: str, method: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request for oras, and return the answer in its form (1, 2)."""
        answer = self._send(method, url, data, headers or {})
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.content)
        response.url = url
        return response

    def _send(self, method: str, url: str, data: bytes, headers: Mapping[str, str]) -> Answer:
        repository = _repository_of(url)
        tokens = self._reading if method in ("HEAD", "GET") else self._writing
        for _ in range(2):  # after a 401 once more, with a new token
            token = tokens.get(repository)
            authorised = {**headers, "Authorization": f"Bearer {token}"}
            answer = self._wire.request(method, url, headers=authorised, data=data, max_bytes=MAX_INDEX_BYTES)
            if answer.status != 401:
                return answer
            tokens.refuse(repository, token)
        return answer

    def _check_200_response(self, response: requests.Response) -> None:
        """Raise an error of ours unless the answer is one of success (7)."""
        if response.status_code in (200, 201, 202):
            return
        answer = Answer(status=response.status_code, headers=response.headers, content=response.content)
        failure = self._wire.failure(answer, _repository_of(response.url))
        if response.status_code in REFUSED:
            raise failure
        broken = "/blobs/uploads/" in response.url and response.status_code in BROKEN_OFF
        # The engine looks, and begins the upload anew, where it is told that something may have arrived.
        cause = AnswerLost(failure.detail) if broken else None
        raise RunbookError("VD-PUSH-006", failure.detail, target=failure.target) from cause

    def _get_location(self, response: requests.Response, _container: object) -> str:
        """Return where the upload goes on; no other host gets the token (6)."""
        self._check_200_response(response)
        location = urljoin(response.url, response.headers.get("Location", "."))
        if urlsplit(location)[:2] != ("https", self._wire.login_server) or location == response.url:
            raise RunbookError("VD-PUSH-006", f"the upload was led to {urlsplit(location).netloc}")
        return location


def _repository_of(url: str) -> str:
    match = _REPOSITORY.match(urlsplit(url).path)
    if match is None:
        raise RunbookError("VD-PUSH-006", "the upload was led to an address of another kind")
    return match["name"]
