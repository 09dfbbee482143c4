"""Read a container registry's data plane: the digest of a tag, and manifests and blobs by digest.

This is a small reader of our own: azure-containerregistry 1.2.0 accepts no repository-scoped token, keeps no access
token, and goes on using an expired refresh token (docs/azure-facts.md#registry-tokens).

Only a 404 means that something is absent. If a 429 meant "absent", a run would import everything again, or miss a
signature.
"""

import hashlib
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from runbook_lib.basics import addresses
from runbook_lib.basics.addresses import Address, NotAnAddressError
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.digest import digest_from_hex, digest_of, is_digest
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.tokens import AccessTokens, EntraTokenSource, PublisherTokenSource, TokenSource
from runbook_lib.container_registry.wire import (
    ABSENT,
    CUSTOMER,
    PUBLISHER,
    REDIRECTS,
    Answer,
    ContainerRegistryWire,
    Side,
)
from runbook_lib.errors import container_registry
from runbook_lib.network import header_fields
from runbook_lib.network.http import READ_BYTES

if TYPE_CHECKING:
    from runbook_lib.azure.session import AzureSession
    from runbook_lib.vault.publisher_token import PublisherToken

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# A blob is usually one redirect away, in the container registry's own storage.
MAX_REDIRECTS = 3
# The largest manifest that container registries accept (docs/azure-facts.md#registry-tokens).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# RFC 9110, 15.5.6 and 15.6.2: the server does not support HEAD, either here or at all.
NO_HEAD = frozenset({405, 501})


class ContainerRegistryReader:
    """Reads one container registry. Many threads may use it.

    Every method may raise RunbookError: the side's `unreachable` and `refused` codes (VD-REGISTRY-001 and -002 for the
    publisher's, -007 and -003 for the customer's), VD-REGISTRY-004 (failed or throttled), -006 (answers out of bounds).
    """

    def __init__(self, *, wire: ContainerRegistryWire, tokens: AccessTokens) -> None:
        self._wire = wire
        self._tokens = tokens
        self._head_lock = threading.Lock()
        # Whether this server has answered a HEAD of a manifest correctly: some servers answer 404 to every HEAD.
        self._head_is_true = False

    @property
    def login_server(self) -> str:
        """Host (and port) of the container registry."""
        return self._wire.login_server

    def expect(self, repositories: Iterable[str]) -> None:
        """Name the repositories that will be read, so that they share access tokens."""
        self._tokens.expect(repositories)

    def digest_of(self, repository: str, reference: str) -> str | None:
        """Return the digest of the manifest that a tag or digest points to, None if it is absent.

        This sends HEAD. It sends GET and hashes the bytes if the server does not serve HEAD, gives no digest (a SHOULD
        of the OCI distribution specification 1.1), or answers 404 before it has answered any HEAD correctly.
        """
        target = _target(repository, reference)
        answer = self._ask("HEAD", repository, f"manifests/{reference}", target, max_bytes=0)
        if answer.status == 200:
            digest = answer.headers.get("Docker-Content-Digest", "")
            if is_digest(digest):
                self._head_is_true = True
                return digest
        elif answer.status == ABSENT:
            return self._really_absent(repository, reference)
        elif answer.status not in NO_HEAD:
            raise self._wire.failure(answer, target)
        return self._hashed(repository, reference)

    def _really_absent(self, repository: str, reference: str) -> str | None:
        """Check HEAD's 404 by GET, and return the digest if the manifest is there after all.

        A server that has answered a HEAD correctly once is believed.
        """
        with self._head_lock:
            if self._head_is_true:
                return None
            digest = self._hashed(repository, reference)
            self._head_is_true = digest is None
            return digest

    def _hashed(self, repository: str, reference: str) -> str | None:
        found = self.manifest(repository, reference, MAX_MANIFEST_BYTES)
        return found.digest if found else None

    def manifest(self, repository: str, reference: str, max_bytes: int) -> Manifest | None:
        """Return the manifest that a tag or digest points to, None if it is absent.

        Raises VD-REGISTRY-005 if the bytes have another digest than was asked for, or than the answer names.
        """
        target = _target(repository, reference)
        answer = self._read("GET", repository, f"manifests/{reference}", target, max_bytes=max_bytes)
        if answer is None:
            return None
        named = reference if is_digest(reference) else answer.headers.get("Docker-Content-Digest", "")
        # The suite compares no digest of another algorithm.
        wanted = named if is_digest(named) else None
        return Manifest(_checked(answer.content, wanted, target), answer.content)

    def blob(self, repository: str, digest: str, max_bytes: int) -> bytes | None:
        """Return a blob of at most `max_bytes`, None if it is absent. Raises VD-REGISTRY-005 (other bytes)."""
        target = f"{repository}@{digest}"
        answer = self._read("GET", repository, f"blobs/{digest}", target, max_bytes=max_bytes)
        if answer is None:
            return None
        _checked(answer.content, digest, target)
        return answer.content

    def blob_size(self, repository: str, digest: str) -> int | None:
        """Return the size in bytes of a blob, by HEAD, None if it is absent; -1 if the answer does not say it."""
        answer = self._read("HEAD", repository, f"blobs/{digest}", f"{repository}@{digest}", max_bytes=0)
        if answer is None:
            return None
        size = header_fields.number(answer.headers.get("Content-Length", ""))
        return -1 if size is None else size

    def save(self, repository: str, digest: str, max_bytes: int, file: BinaryIO) -> bool:
        """Write a blob of at most `max_bytes` to the seekable `file`, in parts; return False if it is absent.

        Raises VD-REGISTRY-005 (other bytes). Then do not use the content of `file`.
        """
        target = f"{repository}@{digest}"
        if self._read("GET", repository, f"blobs/{digest}", target, max_bytes=max_bytes, into=file) is None:
            return False
        file.seek(0)
        found = hashlib.sha256()
        while part := file.read(READ_BYTES):
            found.update(part)
        _compare(digest_from_hex(found.hexdigest()), digest, target)
        return True

    def page(self, repository: str, path: str, target: str, *, accept: str, max_bytes: int) -> Answer | None:
        """Return the unchecked answer to a GET that names no digest, None if there is no such path (404).

        `path` is below the repository's path. `target` is the name in errors. `max_bytes` limits the body.
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
        """Return the answer of status 200, None for 404."""
        answer = self._ask(method, repository, path, target, max_bytes=max_bytes, into=into, accept=accept)
        if answer.status == ABSENT:
            return None
        if answer.status != 200:
            raise self._wire.failure(answer, target)
        return answer

    def _ask(
        self,
        method: str,
        repository: str,
        path: str,
        target: str,
        *,
        max_bytes: int,
        into: BinaryIO | None = None,
        accept: str = ", ".join(MANIFEST_TYPES),
    ) -> Answer:
        """Return the answer, redirects followed. After a 401 the credentials are renewed, once."""
        url = f"{self._wire.base_url}/v2/{repository}/{path}"
        answer = self._authorised(method, url, repository, accept, max_bytes=max_bytes, into=into)
        if answer.status == 401:
            answer = self._authorised(method, url, repository, accept, max_bytes=max_bytes, into=into)
        if answer.status in REDIRECTS:
            answer = self._follow(method, url, answer, target, max_bytes=max_bytes, into=into)
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
        """Follow redirects without the token. The address of a redirect has its own authorisation."""
        here = addresses.read(url)
        for _ in range(MAX_REDIRECTS):
            here = self._led_to(here, answer.headers.get("Location", ""), target)
            answer = self._wire.request(method, str(here), max_bytes=max_bytes, into=into)
            if answer.status not in REDIRECTS:
                return answer
        raise container_registry.ANSWER_OUT_OF_BOUNDS.error(f"more than {MAX_REDIRECTS} redirects", target=target)

    def _led_to(self, here: Address, location: str, target: str) -> Address:
        try:
            there = addresses.follow(here, location)
        except NotAnAddressError as error:
            raise container_registry.ANSWER_OUT_OF_BOUNDS.error(
                f"it leads to no address: {error}", target=target
            ) from error
        if not may_follow(str(there), self._wire.login_server):
            raise container_registry.ANSWER_OUT_OF_BOUNDS.error(f"it leads to {there.origin}", target=target)
        return there


def may_follow(url: str, login_server: str) -> bool:
    """Return whether a redirect may lead to `url`: over TLS, and not to an IP address of the inner network.

    Names are not resolved: a name may stand for a private endpoint's address. The login server itself is always
    allowed, whatever its address is.
    """
    try:
        address, home = addresses.read(url), addresses.read_server(login_server)
    except NotAnAddressError:
        return False
    return address.origin == home.origin or (address.scheme == "https" and not addresses.is_inner(address))


def _target(repository: str, reference: str) -> str:
    return f"{repository}{'@' if is_digest(reference) else ':'}{reference}"


def _checked(content: bytes, wanted: str | None, target: str) -> str:
    """Return the digest of `content`. Raises VD-REGISTRY-005 if another is wanted."""
    found = digest_of(content)
    _compare(found, found if wanted is None else wanted, target)
    return found


def _compare(found: str, wanted: str, target: str) -> None:
    if found != wanted:
        raise container_registry.DIGEST_MISMATCH.error(f"they have {found}", target=target)


def publisher_reader(context: "AzureSession", token: "PublisherToken") -> ContainerRegistryReader:
    """Return a reader of the publisher's container registry by its repository-scoped token."""
    wire = _wire(context, context.settings.publisher_registry, PUBLISHER)
    source = PublisherTokenSource(wire=wire, username=token.username, password=token.password, clock=context.clock)
    return new_reader(wire, source, context.clock)


def customer_reader(context: "AzureSession") -> ContainerRegistryReader:
    """Return a reader of the customer's container registry by the run's own identity."""
    wire = _wire(context, context.settings.customer_registry, CUSTOMER)
    source = EntraTokenSource(wire=wire, credential=context.clients.credential, clock=context.clock)
    return new_reader(wire, source, context.clock)


def new_reader(wire: ContainerRegistryWire, source: TokenSource, clock: Clock) -> ContainerRegistryReader:
    """Return a reader over `wire`, by tokens from `source`."""
    return ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=clock))


def _wire(context: "AzureSession", login_server: str, side: Side) -> ContainerRegistryWire:
    return ContainerRegistryWire(
        login_server=login_server,
        side=side,
        session=context.clients.session,
        policy=context.retry_policy,
        clock=context.clock,
    )
