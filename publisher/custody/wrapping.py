"""Wrap a secret for the customer's vault. Only that vault can unwrap it (RFC 8017, RSAES-OAEP with SHA-256)."""

from collections.abc import Mapping
from typing import Any

from runbook_lib.basics import base64url, strict_json
from runbook_lib.errors import publisher

KEY_BITS = 3072
EXPONENT = 65537
# The room for a secret in the key's block with RSA-OAEP-256 (RFC 8017, 7.1.1).
MAX_SECRET_BYTES = KEY_BITS // 8 - 2 * 32 - 2


def wrap(secret: bytes, wrapping_key: str) -> str:
    """Return `secret`, of at most MAX_SECRET_BYTES, encrypted for a key, as base64url without padding.

    `wrapping_key` is the key's JWK (RFC 7517) as JSON text, as phase prepare reports it. Raises RunbookError
    VD-ROTATION-030 if it is not an RSA key of KEY_BITS bits with EXPONENT: a weaker key would let others read the
    secret on its way. Raises ValueError for a longer secret, because that is not the customer's fault.
    """
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(secret) > MAX_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes; at most {MAX_SECRET_BYTES} can be wrapped")
    modulus, exponent = _numbers(wrapping_key)
    if modulus.bit_length() != KEY_BITS or exponent != EXPONENT:
        # The customer sends the number. Python writes none of thousands of digits.
        shown = exponent if exponent.bit_length() <= KEY_BITS else "too long"
        raise publisher.WRAPPING_KEY_DIFFERS.error(f"it has {modulus.bit_length()} bits, and its exponent is {shown}")
    try:
        key = RSAPublicNumbers(exponent, modulus).public_key()
        wrapped = key.encrypt(secret, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    except ValueError as error:
        raise publisher.WRAPPING_KEY_DIFFERS.error(f"nothing can be encrypted for it: {error}") from None
    return base64url.encode(wrapped)


def _numbers(wrapping_key: str) -> tuple[int, int]:
    """Return modulus and exponent of a JWK."""
    try:
        jwk = strict_json.loads(wrapping_key)
    except strict_json.NotStrictJsonError:
        raise publisher.WRAPPING_KEY_DIFFERS.error("it is no JSON") from None
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "RSA-HSM"):
        raise publisher.WRAPPING_KEY_DIFFERS.error("it is no JWK of an RSA key")
    return _integer(jwk, "n"), _integer(jwk, "e")


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    text = jwk.get(name)
    try:
        if not isinstance(text, str):
            raise ValueError(name)
        return int.from_bytes(base64url.decode(text), "big")
    except ValueError:
        raise publisher.WRAPPING_KEY_DIFFERS.error(f"member {name} is no base64url number") from None
