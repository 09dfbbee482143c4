"""The publisher's account at the certificate authority. The publisher's vault keeps the account's key and signs.

The key never leaves the vault, so nobody can steal the account. The authority finds an account by its key (RFC 8555,
7.3.1). Each run asks for the account, and the authority makes one if it has none for this key. So the next run also
replaces an account that the authority has lost.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.keyvault.keys.crypto import SignatureAlgorithm
from josepy import jwa, jwk

from runbook_lib.azure.clients import AzureClients
from runbook_lib.errors import tls

KEY_NAME = "acme-account"
CURVE = "P-256"


class VaultSignature(jwa.JWASignature):
    """ES256 (RFC 7518, 3.4), made by a vault.

    Args:
        sign_digest: Signs a SHA-256 digest. It returns r and s, 32 bytes each.
    """

    kty = jwk.JWKEC

    def __init__(self, sign_digest: Callable[[bytes], bytes]) -> None:
        super().__init__("ES256")
        self._sign_digest = sign_digest

    def sign(self, key: Any, msg: bytes) -> bytes:  # noqa: ARG002 - the vault has the key
        """Return the signature of a message."""
        return self._sign_digest(hashlib.sha256(msg).digest())

    def verify(self, key: Any, msg: bytes, sig: bytes) -> bool:
        """Verify nothing: an account key only signs."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The public part of the key, and how the vault signs with it."""

    public: jwk.JWKEC
    signature: VaultSignature


def account_key(clients: AzureClients) -> AccountKey:
    """Return the newest version of the account key.

    Args:
        clients: The clients of the publisher's vault.

    Raises:
        RunbookError: VD-TLS-022 if the vault has no usable key.
        azure.core's errors: The vault cannot be reached, fails, or refuses the login.
    """
    from azure.core.exceptions import ResourceNotFoundError
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        found = clients.keys.get_key(KEY_NAME)
    except ResourceNotFoundError:
        raise tls.ACCOUNT_KEY_UNUSABLE.error("there is none", target=KEY_NAME) from None
    key = found.key
    kind, curve = (str(getattr(each, "value", each)) for each in (key.kty, key.crv))  # type: ignore[attr-defined]
    if kind not in ("EC", "EC-HSM") or curve != CURVE:
        raise tls.ACCOUNT_KEY_UNUSABLE.error(f"it is {kind} {curve}", target=KEY_NAME)
    if found.properties.enabled is False:
        raise tls.ACCOUNT_KEY_UNUSABLE.error("it is disabled", target=KEY_NAME)
    x, y = (int.from_bytes(getattr(key, name), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signer = clients.cryptography(KEY_NAME, str(found.properties.version))

    def sign(digest: bytes) -> bytes:
        return bytes(signer.sign(SignatureAlgorithm.es256, digest, repeatable=True).signature)

    return AccountKey(
        public=jwk.JWKEC(key=public),
        signature=VaultSignature(sign),
    )
