"""A second check of an envelope, without the code under test."""

import json
from base64 import b64decode, urlsafe_b64decode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def base64url(text: str) -> bytes:
    assert not set(text) & set("=+/")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify_envelope_alone(content: bytes) -> None:
    """Verify a signature by RFC 7515, 5.2 and RFC 7518, 3.4 and 3.5, without the code under test."""
    envelope: dict[str, Any] = json.loads(content)
    leaf = x509.load_der_x509_certificate(b64decode(envelope["header"]["x5c"][0], validate=True))
    signature, key = base64url(envelope["signature"]), leaf.public_key()
    signed = f"{envelope['protected']}.{envelope['payload']}".encode()
    algorithm = HASHES[json.loads(base64url(envelope["protected"]))["alg"][2:]]
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = len(signature) // 2
        assert half == {256: 32, 384: 48, 521: 66}[key.key_size]
        numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(algorithm))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)
        key.verify(signature, signed, pss, algorithm)
