"""Read a container registry's data plane: what a tag points to, manifests and blobs by digest.

Our own small reader: azure-containerregistry 1.2.0 takes no repository-scoped token, keeps no access token, and goes on
using an expired refresh token (azure-facts, section 6).

Absent is what the container registry says is absent (404), nothing else: a 429 read as "absent" would make a run import
everything again, or miss a signature.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from runbook_lib.container_registry_auth import AccessTokens, EntraTokenSource, PublisherTokenSource
from runbook_lib.container_registry_wire import (
    ABSENT,
    CUSTOMER,
    PUBLISHER,
    REDIRECTS,
    Answer,
    ContainerRegistryWire,
    Side,
)
from runbook_lib.errors import RunbookError
from runbook_lib.http import READ_BYTES
from runbook_lib.publisher_token import PublisherToken

if TYPE_CHECKING:
    from runbook_lib.runbook import Context

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
# A blob is usually one redirect away, in the container registry's own storage.
MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's bytes, and the digest that these bytes have. Nothing of them has been read."""

    digest: str
    content: bytes


class ContainerRegistryReader:
    """Reads one container registry; for use by many threads.

    Errors, besides those named at the methods (RunbookError): the side's `unreachable` and `refused` codes
    (VD-REGISTRY-001 and -002 for the publisher's, -007 and -003 for the customer's), VD-REGISTRY-004 (failed or
    throttled), -006 (answers out of bounds).
    """

    def __init__(self, *, wire: ContainerRegistryWire, tokens: AccessTokens) -> None:
        self._wire = wire
        self._tokens = tokens

    @property
    def login_server(self) -> str:
        """Host (and port) of the container registry."""
        return self._wire.login_server

    def expect(self, repositories: Iterable[str]) -> None:
        """Say which repositories will be read, so that they share access tokens."""
        self._tokens.expect(repositories)

    def digest_of(self, repository: str, tag: str) -> str | None:
        """Return the digest that a tag points to, None where the container registry says that there is no such tag."""
        target = f"{repository}:{tag}"
        answer = self._read("HEAD", repository, f"manifests/{tag}", target, max_bytes=0)
        if answer is None:
            return None
        digest = answer.headers.get("Docker-Content-Digest", "")
        if not DIGEST.fullmatch(digest):
            raise RunbookError("VD-REGISTRY-006", f"no sha256 digest but {digest[:80]!r}", target=target)
        return digest

    def manifest(self, repository: str, reference: str, max_bytes: int) -> Manifest | None:
        """Return the manifest that a tag or digest points to, None where it is absent.

        Raises VD-REGISTRY-005 where the bytes have another digest than was asked for, or than the answer names.
        """
        target = f"{repository}{'@' if DIGEST.fullmatch(reference) else ':'}{reference}"
        answer = self._read("GET", repository, f"manifests/{reference}", target, max_bytes=max_bytes)
        if answer is None:
            return None
        wanted = reference if DIGEST.fullmatch(reference) else answer.headers.get("Docker-Content-Digest")
        return Manifest(_checked(answer.content, wanted, target), answer.content)

    def blob(self, repository: str, digest: str, max_bytes: int) -> bytes | None:
        """Return a blob of at most `max_bytes`, None where it is absent. Raises VD-REGISTRY-005 (other bytes)."""
        target = f"{repository}@{digest}"
        answer = self._read("GET", repository, f"blobs/{digest}", target, max_bytes=max_bytes)
        if answer is None:
            return None
        _checked(answer.content, digest, target)
        return answer.content

    def save(self, repository: str, digest: str, max_bytes: int, file: BinaryIO) -> bool:
        """Write a blob of at most `max_bytes` to the seekable `file`, in parts; return False where it is absent.

        Raises VD-REGISTRY-005 (other bytes); what `file` then holds is not to be used.
        """
        target = f"{repository}@{digest}"
        if self._read("GET", repository, f"blobs/{digest}", target, max_bytes=max_bytes, into=file) is None:
            return False
        file.seek(0)
        found = hashlib.sha256()
        while part := file.read(READ_BYTES):
            found.update(part)
        _compare(f"sha256:{found.hexdigest()}", digest, target)
        return True

    def page(self, repository: str, path: str, target: str, *, accept: str, max_bytes: int) -> Answer | None:
        """Return the answer to a question that names no digest, None where there is no such path (404).

        Parameters: path, below the repository's; target, for errors; accept, the media type that is wanted; max_bytes,
        of the answer's body. Nothing of it is checked.
        """
        return self._read("GET", repository, path, target, max_bytes=max_bytes, accept=accept)

    def _read(
        self,
        method: str,
        repository: str,
        path: str,
        target: str,
        *,
        max_bytes: int,
        into: BinaryIO | None = None,
        accept: str = ", ".join(MANIFEST_TYPES),
    ) -> Answer | None:
        """Return the answer of status 200, None for 404. After a 401 the credentials are renewed, once."""
        url = f"{self._wire.base_url}/v2/{repository}/{path}"
        answer = self._authorised(method, url, repository, accept, max_bytes=max_bytes, into=into)
        if answer.status == 401:
            answer = self._authorised(method, url, repository, accept, max_bytes=max_bytes, into=into)
        if answer.status in REDIRECTS:
            answer = self._follow(method, url, answer, target, max_bytes=max_bytes, into=into)
        if answer.status == ABSENT:
            return None
        if answer.status != 200:
            raise self._wire.failure(answer, target)
        return answer

    def _authorised(
        self, method: str, url: str, repository: str, accept: str, *, max_bytes: int, into: BinaryIO | None
    ) -> Answer:
        token = self._tokens.get(repository)
        answer = self._wire.request(
            method,
            url,
            authorization=f"Bearer {token}",
            headers={"Accept": accept},
            max_bytes=max_bytes,
            into=into,
        )
        if answer.status == 401:
            self._tokens.refuse(repository, token)
        return answer

    def _follow(
        self, method: str, url: str, answer: Answer, target: str, *, max_bytes: int, into: BinaryIO | None
    ) -> Answer:
        """Follow redirects without the token: where they lead has its own authorisation in the address."""
        for _ in range(MAX_REDIRECTS):
            url = urljoin(url, answer.headers.get("Location", ""))
            if not may_follow(url, self._wire.login_server):
                raise RunbookError("VD-REGISTRY-006", f"it leads to {urlsplit(url).netloc}", target=target)
            answer = self._wire.request(method, url, max_bytes=max_bytes, into=into)
            if answer.status not in REDIRECTS:
                return answer
        raise RunbookError("VD-REGISTRY-006", f"more than {MAX_REDIRECTS} redirects", target=target)


def may_follow(url: str, login_server: str) -> bool:
    """Return whether a container registry may lead a reader to `url`: over TLS, and to no address of the inner network.

    Only literal addresses are looked at: a name may well stand for a private endpoint's address. The login server
    itself is always allowed, whatever its address.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        return False
    if parts.netloc == login_server:
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_global
    except ValueError:
        return parts.hostname != "localhost"


def _checked(content: bytes, wanted: str | None, target: str) -> str:
    """Return the digest of `content`. Raises VD-REGISTRY-005 where another is wanted."""
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    _compare(found, found if wanted is None else wanted, target)
    return found


def _compare(found: str, wanted: str, target: str) -> None:
    if found != wanted:
        raise RunbookError("VD-REGISTRY-005", f"they have {found}", target=target)


def publisher_reader(context: "Context", token: PublisherToken) -> ContainerRegistryReader:
    """Return a reader of the publisher's container registry by its repository-scoped token."""
    wire = _wire(context, context.settings.publisher_registry, PUBLISHER)
    source = PublisherTokenSource(wire=wire, username=token.username, password=token.password, clock=context.clock)
    return ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=context.clock))


def customer_reader(context: "Context") -> ContainerRegistryReader:
    """Return a reader of the customer's container registry by the run's own identity."""
    wire = _wire(context, context.settings.customer_registry, CUSTOMER)
    source = EntraTokenSource(wire=wire, credential=context.clients.credential, clock=context.clock)
    return ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=context.clock))


def _wire(context: "Context", login_server: str, side: Side) -> ContainerRegistryWire:
    return ContainerRegistryWire(
        login_server=login_server,
        side=side,
        session=context.clients.session,
        policy=context.retry_policy,
        clock=context.clock,
    )
