"""A secret is wrapped for the key that was agreed, and for no other."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from publisher.custody.wrapping import MAX_SECRET_BYTES, wrap
from runbook_lib.errors import RunbookError


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def jwk_of(key: rsa.RSAPrivateKey, **members: object) -> str:
    numbers = key.public_key().public_numbers()
    return json.dumps({"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **members})


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def test_the_vaults_algorithm_unwraps_it(key: rsa.RSAPrivateKey) -> None:
    wrapped = wrap(b"32 bytes, as a key for callbacks", jwk_of(key))
    assert wrapped != wrap(b"32 bytes, as a key for callbacks", jwk_of(key))
    raw = base64.urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4))
    unwrapped = key.decrypt(raw, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    assert unwrapped == b"32 bytes, as a key for callbacks"


def test_a_secret_that_is_too_long_is_not_the_keys_fault(key: rsa.RSAPrivateKey) -> None:
    assert MAX_SECRET_BYTES == 318 and wrap(b"s" * 318, jwk_of(key))
    with pytest.raises(ValueError, match="at most 318 can be wrapped"):
        wrap(b"s" * 319, jwk_of(key))


def test_no_other_key_is_taken(key: rsa.RSAPrivateKey) -> None:
    modulus = key.public_key().public_numbers().n
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    refused = [
        jwk_of(rsa.generate_private_key(65537, 2048)),
        jwk_of(key, e=number(3)),
        jwk_of(key, e=number(1 << 20_000)),
        jwk_of(key, n=number(modulus >> 1)),
        jwk_of(key, n=number(modulus << 1)),
        jwk_of(key, n=number(modulus + 1)),  # even: no product of odd primes
        jwk_of(key, kty="EC"),
        jwk_of(key, n=None),
        jwk_of(key, n="***"),
        json.dumps({"kty": "EC", "x": number(curve.x), "y": number(curve.y)}),
        "[]",
        "no JSON",
        "",
    ]
    for wrapping_key in refused:
        with pytest.raises(RunbookError) as failed:
            wrap(b"secret", wrapping_key)
        assert failed.value.code == "VD-ROTATION-030", wrapping_key
