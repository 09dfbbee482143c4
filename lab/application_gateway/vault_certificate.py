"""Read the gateway's certificate: a secret in the vault, with the gateway's identity, over the data plane.

Faithful: the secret is read by its id, and an id without a version means the newest version; the secret is a PFX
without password; the reasons for a failed read have the names of Azure's advice. Left out: a PEM secret, a vault that
is not the customer's.
Source: learn application-gateway/key-vault-certs, application-gateway-key-vault-common-errors.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from lab.application_gateway.placeholder import CONTENT_TYPE
from lab.shared import Lab

API_VERSION = "7.4"
AUDIENCE = "https://vault.azure.net"
CLIENT = "ApplicationGateway"
READ_SECONDS = 30.0
# The reasons by the vault's inner code, and by its status.
REASONS = {
    "SecretDisabled": "SecretDisabled",
    "ForbiddenByConnection": "KeyVaultHasRestrictedAccess",
}
DENIED, DELETED = "UserAssignedIdentityDoesNotHaveGetPermissionOnKeyVault", "SecretDeletedFromKeyVault"
INVALID = "ApplicationGatewaySslCertificateInvalidData"


class UnreadableError(Exception):
    """The certificate cannot be read. lasting: only the customer can correct it. If false, the next read may work."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        """Keep the reason's name, e.g. SecretDisabled."""
        super().__init__(reason)
        self.reason, self.lasting = reason, lasting


@dataclass(frozen=True, slots=True)
class Served:
    """The certificate that the listener serves. pem: the leaf, its chain, then the key."""

    leaf: x509.Certificate
    pem: str = field(repr=False)


async def read(lab: Lab, secret_id: str) -> Served:
    """Read the certificate in a secret; UnreadableError if it cannot be read."""
    if not secret_id.startswith(f"{lab.urls['key_vault']}/secrets/"):
        raise UnreadableError("KeyVaultNotFound", lasting=True)
    token = lab.tokens.issue(AUDIENCE, lab.names.uami_principal_id, appid=lab.names.uami_client_id)
    headers = {"Authorization": f"Bearer {token}", "User-Agent": CLIENT}
    address = f"{secret_id.rstrip('/')}?api-version={API_VERSION}"
    try:
        timeout = aiohttp.ClientTimeout(total=READ_SECONDS)
        async with lab.upstream.get(address, headers=headers, timeout=timeout) as answer:
            status, body = answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
        raise UnreadableError(type(error).__name__, lasting=False) from error
    if status != 200:
        raise _unreadable(status, body)
    return parse(str(body["value"]), str(body.get("contentType") or ""))


# The check of a PFX can stop the whole lab for 40 ms, and the listener may read the same value twice a second.
@lru_cache(maxsize=1)
def parse(value: str, content_type: str) -> Served:
    """Return the certificate in a secret's value; UnreadableError if it has no certificate with its key. Pure."""
    try:
        found = pkcs12.load_pkcs12(base64.b64decode(value, validate=True), None)
    except (ValueError, binascii.Error) as error:
        raise UnreadableError(INVALID, lasting=True) from error
    if found.key is None or found.cert is None or content_type != CONTENT_TYPE:
        raise UnreadableError(INVALID, lasting=True)
    leaf = found.cert.certificate
    chain = [leaf, *(one.certificate for one in found.additional_certs)]
    pem = [one.public_bytes(Encoding.PEM) for one in chain]
    pem.append(found.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Served(leaf, b"".join(pem).decode())


def _unreadable(status: int, body: Mapping[str, Any]) -> UnreadableError:
    inner = ((body.get("error") or {}).get("innererror") or {}).get("code", "")
    if status == 404:
        return UnreadableError(DELETED, lasting=True)
    if status in (401, 403):
        return UnreadableError(REASONS.get(inner, DENIED), lasting=True)
    return UnreadableError(f"Status{status}", lasting=False)
