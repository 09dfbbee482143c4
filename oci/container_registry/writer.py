"""Find out what a container registry has, and send it blobs and manifests, with oras-py's client (oras 0.2.43).

This module corrects the faults of that client. The docstrings below name a fault by its number:

1. Its requests have no time limit. It repeats them after almost any exception, 5 times with waits of up to 83 s, and
   ignores Retry-After. Here every request goes through runbook_lib's wire, under the one network retry policy.
2. It keeps one bearer token for all repositories and offers it again after a 401, so that the second repository of a
   scoped token is refused. Here tokens are kept by repository and renewed after a 401.
3. It takes any answer but 200 to a HEAD for "absent", even a 429. Here only 404 means "absent".
4. `upload_manifest` writes the JSON anew, which changes its digest. Here the bytes are sent as they are.
5. `put_upload` reads the whole blob into memory. Here it gets only small blobs. Larger blobs are sent piece by piece.
6. The upload follows `Location` to any host, with the bearer token. Here it stays at the login server.
7. The answer that opens an upload is not checked. Here every answer is checked.
8. Its pieces have the size that the caller names. Here they have at least the size that the server demands.
9. It writes the query of `Location` anew, and loses empty and repeated parameters. Here the query does not change.
"""

import copy
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import requests
from oras.provider import Registry

from oci.layout.writer import INDEX_MEDIA_TYPE, Descriptor
from runbook_lib.basics import addresses
from runbook_lib.basics.clock import Clock
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import AccessToken, AccessTokens, TokenSource
from runbook_lib.container_registry.wire import ABSENT, REDIRECTS, Answer, ContainerRegistryWire
from runbook_lib.errors import build
from runbook_lib.network import header_fields
from runbook_lib.network.retry import AnswerLost

# The size of one PATCH, and of the largest blob that is sent in one PUT. azure-containerregistry has the same size.
PIECE_BYTES = 4 * 1024 * 1024
# The header in which a server gives the smallest size of a PATCH (OCI distribution specification 1.1, "Pushing a blob
# in chunks"). Several pieces are in memory at the same time, so MAX_PIECE_BYTES limits this size.
LEAST_PIECE = "OCI-Chunk-Min-Length"
MAX_PIECE_BYTES = 64 * 1024 * 1024
BYTES = {"Content-Type": "application/octet-stream"}
SUCCESS = (200, 201, 202)
REFUSED = (401, 403)
# After a lost answer, a server may have got a piece twice, or only half of it. Then it answers the rest of the upload
# with one of these statuses: the digest or the state of the upload is wrong, or the server has ended the upload.
BROKEN_OFF = (400, 404, 416, 500, 502, 503, 504)
# An index has a few hundred bytes for each referrer. azure-containerregistry has the same limit.
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
        """Drop the source's tokens."""
        self._source.forget()


class ContainerRegistryWriter(Registry):  # type: ignore[misc] # oras has no types
    """Writes to one container registry. Many threads may use it.

    Raises RunbookError VD-PUSH-005 (refused), VD-PUSH-006 (an upload was not accepted, and may or may not be there),
    and the wire's errors.
    """

    def __init__(self, *, wire: ContainerRegistryWire, source: TokenSource, clock: Clock) -> None:
        super().__init__(hostname=wire.login_server)
        self._wire = wire
        self._reading = AccessTokens(source=source, clock=clock)
        self._writing = AccessTokens(source=_WriteScopes(source), clock=clock)
        self._reader = ContainerRegistryReader(wire=wire, tokens=self._reading)
        # The repository of the upload that this copy of the writer makes. oras gives do_request only an address, and an
        # upload's address does not always show the repository.
        self._repository = ""

    def expect(self, *, read: Iterable[str], written: Iterable[str]) -> None:
        """Name the repositories that will be used, so that they share access tokens."""
        self._reading.expect(read)
        self._writing.expect(written)

    def reader(self) -> ContainerRegistryReader:
        """Return a reader of the same container registry."""
        return self._reader

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether the container registry says that it has the blob. A redirect means that it has it."""
        answer = self._send("HEAD", repository, self._url(repository, f"blobs/{digest}"), b"", {})
        if answer.status == ABSENT:
            return False
        if answer.status != 200 and answer.status not in REDIRECTS:
            raise self._wire.failure(answer, f"{repository}@{digest}")
        return True

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of the manifest that a tag or digest points to, None if there is none."""
        return self._reader.digest_of(repository, reference)

    def send_blob(self, repository: str, path: Path, descriptor: Descriptor) -> None:
        """Upload a blob from its file. The container registry compares its digest."""
        layer = {"digest": descriptor.digest}
        upload = copy.copy(self)
        upload._repository = repository
        container = self.get_container(f"{self._wire.login_server}/{repository}")
        if descriptor.size <= PIECE_BYTES:
            upload._check_200_response(upload.put_upload(str(path), container, layer))
        else:
            upload._check_200_response(upload.chunked_upload(str(path), container, layer))

    def put_upload(self, blob: str, container: object, layer: Mapping[str, str]) -> requests.Response:
        """Upload a small blob at once, for oras, and return the last answer (9)."""
        location = self._get_location(self._begin(), container)
        return self._end(location, layer["digest"], Path(blob).read_bytes())

    def chunked_upload(
        self, blob: str, container: object, layer: Mapping[str, str], chunk_size: int = PIECE_BYTES
    ) -> requests.Response:
        """Upload a blob in pieces, for oras, and return the last answer (8)."""
        answer = self._begin()
        location = self._get_location(answer, container)
        size = max(chunk_size, self._least_piece(answer))
        start = 0
        with Path(blob).open("rb") as file:
            while piece := file.read(size):
                end = start + len(piece) - 1
                headers = {"Content-Range": f"{start}-{end}", **BYTES}
                location = self._get_location(self.do_request(location, "PATCH", piece, headers), container)
                start = end + 1
        return self._end(location, layer["digest"], b"")

    def _begin(self) -> requests.Response:
        return self.do_request(self._url(self._repository, "blobs/uploads/"), "POST", headers=BYTES)

    def _end(self, location: str, digest: str, rest: bytes) -> requests.Response:
        url = f"{location}{'&' if '?' in location else '?'}digest={quote(digest, safe='')}"
        return self.do_request(url, "PUT", rest, BYTES)

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Put a manifest's bytes under a digest or a tag."""
        self._taken(repository, self._put_manifest(repository, reference, content, {"Content-Type": media_type}))

    def get(self, repository: str, path: str, *, accept: str) -> Answer | None:
        """Return the answer to a GET of an index below a repository, None if it is absent."""
        answer = self._send("GET", repository, self._url(repository, path), b"", {"Accept": accept})
        if answer.status == ABSENT:
            return None
        if answer.status != 200:
            raise self._wire.failure(answer, f"{repository}/{path}")
        return answer

    def put_index(self, repository: str, tag: str, content: bytes, *, etag: str) -> None:
        """Put an index under a tag if the index that is there has this ETag.

        If that index has another ETag, the new one is not put, and this raises no error: read the index again. The
        index is put in any case if the server has no conditional requests, or if `etag` is "" or weak.
        """
        # RFC 9110, 13.1.1: a weak ETag never matches in If-Match.
        strong = etag and not etag.startswith("W/")
        headers = {"Content-Type": INDEX_MEDIA_TYPE, **({"If-Match": etag} if strong else {})}
        answer = self._put_manifest(repository, tag, content, headers)
        if answer.status != CHANGED_MEANWHILE:
            self._taken(repository, answer)

    def do_request(
        self, url: str, method: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request of an upload for oras, and return the answer in its form (1, 2)."""
        answer = self._send(method, self._repository, url, data, headers or {})
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.content)
        response.url = url
        return response

    def _url(self, repository: str, path: str) -> str:
        return f"{self._wire.base_url}/v2/{repository}/{path}"

    def _put_manifest(self, repository: str, reference: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        return self._send("PUT", repository, self._url(repository, f"manifests/{reference}"), content, headers)

    def _send(self, method: str, repository: str, url: str, data: bytes, headers: Mapping[str, str]) -> Answer:
        tokens = self._reading if method in ("HEAD", "GET") else self._writing
        for _ in range(2):  # after a 401 once more, with a new token
            token = tokens.get(repository)
            authorised = {**headers, "Authorization": f"Bearer {token}"}
            answer = self._wire.request(method, url, headers=authorised, data=data, max_bytes=MAX_INDEX_BYTES)
            if answer.status != 401:
                return answer
            tokens.refuse(repository, token)
        return answer

    def _taken(self, repository: str, answer: Answer, *, broken_off: Sequence[int] = ()) -> None:
        """Raise one of our errors unless the answer is a success (7).

        `broken_off` are the statuses after which the upload may begin again.
        """
        if answer.status in SUCCESS:
            return
        failure = self._wire.failure(answer, repository)
        if answer.status in REFUSED:
            raise failure
        # After AnswerLost the engine reads the target. If nothing has arrived, it begins the upload again.
        cause = AnswerLost(failure.detail) if answer.status in broken_off else None
        raise build.UPLOAD_FAILED.error(failure.detail, target=failure.target) from cause

    def _check_200_response(self, response: requests.Response) -> None:
        """Raise one of our errors unless an upload's answer is a success."""
        if response.status_code not in SUCCESS:
            answer = Answer(status=response.status_code, headers=response.headers, content=response.content)
            self._taken(self._repository, answer, broken_off=BROKEN_OFF)

    def _get_location(self, response: requests.Response, _container: object) -> str:
        """Return the address where the upload continues.

        Raises RunbookError VD-PUSH-006 if it is at another server, because that server must not get the token (6).
        """
        self._check_200_response(response)
        home = addresses.read_server(self._wire.login_server)
        try:
            location = addresses.follow(addresses.read(response.url), response.headers.get("Location", ""))
        except addresses.NotAnAddressError as error:
            raise build.UPLOAD_FAILED.error(f"the upload was led to no address: {error}") from error
        if location.origin != home.origin:
            raise build.UPLOAD_FAILED.error(f"the upload was led to {location.origin}, away from {home.origin}")
        return str(location)

    def _least_piece(self, response: requests.Response) -> int:
        least = header_fields.number(response.headers.get(LEAST_PIECE, "")) or 0
        if least > MAX_PIECE_BYTES:
            what = f"it asks for pieces of at least {least} bytes; at most {MAX_PIECE_BYTES} are sent"
            raise build.UPLOAD_FAILED.error(what, target=self._repository)
        return least
