"""Signers turn a digest into a signature in the form of JWS (RFC 7518, 3.4 and 3.5).

For ECDSA this is r and s of fixed length, and for RSASSA-PSS the plain signature.
"""

from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from oci.signing.chain import SigningChain
from runbook_lib.errors import build


class Signer(Protocol):
    """Signs with one key and its only algorithm."""

    def sign(self, digest: bytes) -> bytes:
        """Return the signature over the content that has this digest."""


class PemSigner:
    """Signs with the private key of a PEM file. It must be the key of the chain's leaf."""

    def __init__(self, *, pem: bytes, chain: SigningChain) -> None:
        """Read the key. Raises RunbookError VD-TRUST-051 (no such key), -052 (another certificate's)."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The parser's message may quote the key.
            raise build.SIGNING_CHAIN_UNFIT.error("the key file holds no private key without a password") from None
        if key.public_key() != chain.leaf.key:
            raise build.SIGNING_KEY_OF_OTHER_CERTIFICATE.error(target=chain.leaf.subject)
        self._key = key
        self._hash = chain.hash

    def sign(self, digest: bytes) -> bytes:
        """Return the signature."""
        prehashed = Prehashed(self._hash)
        if isinstance(self._key, rsa.RSAPrivateKey):
            # A salt of the hash's own length (RFC 7518, 3.5).
            pss = padding.PSS(mgf=padding.MGF1(self._hash), salt_length=self._hash.digest_size)
            return self._key.sign(digest, pss, prehashed)
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            raise TypeError("a chain's leaf has an EC or an RSA key")
        r, s = decode_dss_signature(self._key.sign(digest, ec.ECDSA(prehashed)))
        half = (self._key.key_size + 7) // 8
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
