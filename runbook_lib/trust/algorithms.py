"""Signature algorithms: find the one of a signing key, and check whether the key made a signature.

signature-specification.md, "Algorithm Selection": the certificate's key decides, and `alg` must agree. If the header
decided, an attacker could choose. RFC 7518, 3.4 and 3.5 define the algorithms.
"""

from dataclasses import dataclass

from runbook_lib.errors import trust
from runbook_lib.trust.certificates import Certificate, refused
from runbook_lib.trust.descriptor import shown

_STEP = "3.4"
# Plain keys. An RSA key that its certificate binds to PSS (id-RSASSA-PSS) has parameters of its own.
_PLAIN_RSA, _PLAIN_EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """An algorithm of RFC 7518, with SHA-2. `scalar_bytes` is the length of half an ECDSA signature, 0 for RSA."""

    name: str
    hash_bits: int
    scalar_bytes: int = 0


_RSA = {
    2048: Algorithm(name="PS256", hash_bits=256),
    3072: Algorithm(name="PS384", hash_bits=384),
    4096: Algorithm(name="PS512", hash_bits=512),
}
_EC = {
    "secp256r1": Algorithm(name="ES256", hash_bits=256, scalar_bytes=32),
    "secp384r1": Algorithm(name="ES384", hash_bits=384, scalar_bytes=48),
    "secp521r1": Algorithm(name="ES512", hash_bits=512, scalar_bytes=66),
}


def algorithm_of(leaf: Certificate, claimed: str) -> Algorithm:
    """Return the algorithm of the leaf's key. `claimed`, the protected header's `alg`, must be the same.

    Raises RunbookError VD-TRUST-006 (a key that may not sign), -004 (another algorithm is claimed).
    """
    found = key_algorithm(leaf)
    if claimed != found.name:
        raise trust.SIGNATURE_DEMANDS_TOO_MUCH.error(
            f"alg is {shown(claimed)}, the key's is {found.name} (step {_STEP})"
        )
    return found


def key_algorithm(leaf: Certificate) -> Algorithm:
    """Return the only algorithm of a leaf's key. Raises RunbookError VD-TRUST-006 (it may not sign)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    found, kind = None, leaf.parsed.public_key_algorithm_oid.dotted_string
    if isinstance(leaf.key, rsa.RSAPublicKey) and kind == _PLAIN_RSA:
        found = _RSA.get(leaf.key.key_size)
    elif isinstance(leaf.key, ec.EllipticCurvePublicKey) and kind == _PLAIN_EC:
        found = _EC.get(leaf.key.curve.name)
    if found is None:
        raise refused("the signing key is none of RSA 2048, 3072, 4096, EC P-256, P-384, P-521", _STEP)
    return found


def is_signed(leaf: Certificate, algorithm: Algorithm, signature: bytes, signing_input: bytes) -> bool:
    """Return whether the leaf's key made the signature over `signing_input` with its algorithm."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    known: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
    digest = known[algorithm.hash_bits]
    try:
        if isinstance(leaf.key, ec.EllipticCurvePublicKey):
            size = algorithm.scalar_bytes
            if len(signature) != 2 * size:
                return False
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            leaf.key.verify(encode_dss_signature(r, s), signing_input, ec.ECDSA(digest))
        elif isinstance(leaf.key, rsa.RSAPublicKey):
            # RFC 7518, 3.5: the salt is as long as the hash. notation accepts any length.
            pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH)
            leaf.key.verify(signature, signing_input, pss, digest)
        else:
            return False
    except InvalidSignature:
        return False
    return True
