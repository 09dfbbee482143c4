"""Read the TLS certificate in the customer's Key Vault, begin its operation, and merge a chain.

The vault's REST API has about ten operations for this, and the sandbox has no package for certificates. So the requests
go through the pipeline of the client for secrets, with its sign-in, retries and limits. This module never reads the
secret of the certificate, or a key. After every write it reads until the vault shows the change, for a limited time.

Source: learn rest/api/keyvault/certificates.
"""

import base64
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from runbook_lib.basics import addresses, strict_json
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import tls
from runbook_lib.network.listing import bounded
from runbook_lib.tls_certificate.chain import Chain
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.operation import judge, policy_for
from runbook_lib.tls_certificate.versions import (
    ROTATION_TAG,
    TESTED_TAG,
    Operation,
    VaultFacts,
    Version,
)
from runbook_lib.vault.secret_in_use import WRITTEN_TAG

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

IN_PROGRESS = "inprogress"
# How long it may take until a write is visible, and how often this looks. Key Vault does not document the time. A
# minute is long.
VISIBLE_SECONDS = 60.0
LOOK_SECONDS = 1.0
_ONE = f"/certificates/{CERTIFICATE}"
_DELETED = f"/deletedcertificates/{CERTIFICATE}"


class CertificateVault:
    """The certificate and its pending operation. Methods raise azure.core's errors, and RunbookError VD-TLS-012."""

    def __init__(self, *, client: "SecretClient", clock: Clock, host: str) -> None:
        """Use the vault of `client`. `host` is the only name that the certificate may have."""
        self._client = client
        self._clock = clock
        self._host = host
        # The signing request of the pending operation, as this run last read it; b"" if no operation fits.
        self.signing_request = b""

    def seen(self) -> VaultFacts:
        """Return what the vault holds."""
        bundle = self._get(_ONE)
        if bundle is None:
            gone = self._get(_DELETED)
            return VaultFacts(current=None if gone is None else _merged(gone), deleted=gone is not None)
        pending, current = self._operation(bundle), _merged(bundle)
        if current is None:
            return VaultFacts(pending=pending)
        former = sorted(
            (version for version in map(_version, self._versions()) if version.version != current.version),
            key=lambda version: (version.created, version.written, version.version),
            reverse=True,
        )
        return VaultFacts(current=current, former=tuple(former), certificate=_octets(bundle, "cer"), pending=pending)

    def pending(self) -> Operation | None:
        """Return the operation in progress, None for none."""
        return self._operation(self._get(_ONE) or {})

    def recover(self) -> None:
        """Undo the certificate's deletion."""
        self._send("POST", f"{_DELETED}/recover")
        self._until(lambda: self._get(_ONE) is not None)

    def is_deleted(self) -> bool:
        """Return whether the certificate is deleted and can be recovered."""
        return self._get(_ONE) is None and self._get(_DELETED) is not None

    def discard(self, request_id: str) -> None:
        """Delete the pending operation, if it is still this one."""
        found = self.pending()
        if found is not None and found.request_id == request_id:
            self._send("DELETE", f"{_ONE}/pending", missing=True)

    def create(self) -> None:
        """Begin an operation. The vault makes the key and a signing request for it.

        Raises RunbookError VD-TLS-013 if the vault refuses an operation under this name.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            self._send("POST", f"{_ONE}/create", {"policy": policy_for(self._host)})
        except HttpResponseError as error:
            if error.status_code != 409:
                raise
            # Another run may have begun an operation: the read-back shows whether it fits.
            if self.pending() is None:
                raise tls.NAME_TAKEN.error(error.message, target=CERTIFICATE) from error
        self._until(lambda: (now := self.pending()) is not None and not now.unfit)

    def install(self, chain: Chain, rotation_id: str) -> None:
        """Merge a chain. This is one write, so a reader gets either the former certificate or the new one."""
        tags = {ROTATION_TAG: rotation_id, WRITTEN_TAG: rfc3339(self._clock.now())}
        certificates = [base64.b64encode(each).decode() for each in chain.encoded]
        self._send("POST", f"{_ONE}/pending/merge", {"x5c": certificates, "tags": tags})
        thumbprint = chain.leaf.thumbprint
        self._until(lambda: (now := self.current()) is not None and now.thumbprint == thumbprint)

    def mark_tested(self, version: Version) -> None:
        """Mark a version as tested. Its other tags stay."""
        path = f"{_ONE}/{version.version}"
        # The vault replaces all tags.
        tags = {**((self._get(path) or {}).get("tags") or {}), TESTED_TAG: rfc3339(self._clock.now())}
        self._send("PATCH", path, {"tags": tags})
        self._until(lambda: (now := self.current()) is not None and bool(now.tested))

    def disable(self, version: Version) -> None:
        """Disable a version and its secret. Somebody can enable them again."""
        self._send("PATCH", f"{_ONE}/{version.version}", {"attributes": {"enabled": False}})

    def is_enabled(self, version: Version) -> bool | None:
        """Return whether a version is enabled, None if it is not there."""
        found = self._get(f"{_ONE}/{version.version}")
        return None if found is None else _version(found).enabled

    def current(self) -> Version | None:
        """Return the version that a reader without a version gets, None for none."""
        return _merged(self._get(_ONE) or {})

    def _operation(self, bundle: Mapping[str, Any]) -> Operation | None:
        """Return the operation in progress of a certificate, None for none."""
        self.signing_request = b""
        found = self._get(f"{_ONE}/pending")
        if found is None or str(found.get("status", "")).lower() != IN_PROGRESS:
            return None
        issuer, policy = found.get("issuer"), bundle.get("policy")
        operation = judge(
            request_id=_text(found, "request_id"),
            csr=_octets(found, "csr"),
            issuer=str(issuer.get("name", "")) if isinstance(issuer, dict) else "",
            cancelled=found.get("cancellation_requested") is True,
            policy=policy if isinstance(policy, dict) else {},
            host=self._host,
        )
        self.signing_request = b"" if operation.unfit else operation.csr
        return operation

    def _versions(self) -> Iterator[Mapping[str, Any]]:
        return bounded(self._pages(f"{_ONE}/versions"), target=CERTIFICATE)

    def _pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        while path:
            page = self._get(path) or {}
            items, link = page.get("value"), page.get("nextLink")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise tls.VAULT_ANSWER_UNREADABLE.error("a list without items", target=CERTIFICATE)
            yield from items
            path = self._in_the_vault(str(link)) if link else ""

    def _in_the_vault(self, link: str) -> str:
        """Return a link's address. A request has the token for the vault, so it may go only there.

        The text of the link is not compared: Key Vault writes the port 443, too (docs/azure-facts.md#recorded-answers).
        """
        vault = addresses.read(self._client.vault_url)
        try:
            there = addresses.follow(vault, link)
        except addresses.NotAnAddressError as error:
            raise tls.VAULT_ANSWER_UNREADABLE.error(
                f"a list's link is no address: {error}", target=CERTIFICATE
            ) from error
        if there.origin != vault.origin:
            raise tls.VAULT_ANSWER_UNREADABLE.error("a list goes on in another place", target=CERTIFICATE)
        return str(there)

    def _get(self, path: str) -> dict[str, Any] | None:
        return self._send("GET", path, missing=True)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, missing: bool = False
    ) -> dict[str, Any] | None:
        """Send a request. `missing`: whether None is returned for a 404. A refusal raises HttpResponseError."""
        from azure.core.rest import HttpRequest

        response = self._client.send_request(HttpRequest(method, path, json=body))
        if missing and response.status_code == 404:
            return None
        response.raise_for_status()
        try:
            found = strict_json.loads(response.content)
        except strict_json.NotStrictJsonError as error:
            raise tls.VAULT_ANSWER_UNREADABLE.error(str(error), target=CERTIFICATE) from error
        if not isinstance(found, dict):
            raise tls.VAULT_ANSWER_UNREADABLE.error("it is no object", target=CERTIFICATE)
        return found

    def _until(self, shows: Callable[[], bool]) -> None:
        """Wait until the vault shows a write. If this takes too long, the engine's read notices it."""
        deadline = self._clock.monotonic() + VISIBLE_SECONDS
        while not shows() and self._clock.monotonic() < deadline:
            self._clock.sleep(LOOK_SECONDS)


def _merged(bundle: Mapping[str, Any]) -> Version | None:
    """Return the version of a certificate, None before its first merge: until then it has no thumbprint."""
    return _version(bundle) if bundle.get("x5t") else None


def _version(found: Mapping[str, Any]) -> Version:
    attributes, tags = found.get("attributes"), found.get("tags") or {}
    if not isinstance(attributes, dict) or not isinstance(tags, dict):
        raise tls.VAULT_ANSWER_UNREADABLE.error("a version without attributes", target=CERTIFICATE)
    expires = attributes.get("exp")
    return Version(
        version=urllib.parse.urlsplit(_text(found, "id")).path.rpartition("/")[2],
        enabled=attributes.get("enabled") is True,
        created=_moment(attributes.get("created")),
        thumbprint=_text(found, "x5t"),
        rotation_id=str(tags.get(ROTATION_TAG, "")),
        tested=str(tags.get(TESTED_TAG, "")),
        written=str(tags.get(WRITTEN_TAG, "")),
        expires=None if expires is None else _moment(expires),
    )


def _moment(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise tls.VAULT_ANSWER_UNREADABLE.error("a time that is none", target=CERTIFICATE) from error


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise tls.VAULT_ANSWER_UNREADABLE.error(f"{name} is missing", target=CERTIFICATE)
    return value


def _octets(found: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_text(found, name), validate=True)
    except ValueError as error:
        raise tls.VAULT_ANSWER_UNREADABLE.error(f"{name} is no base64", target=CERTIFICATE) from error
