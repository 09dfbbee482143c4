"""Keys of the two vaults, through the official client, and the delay until a vault shows a write."""

import base64
import hashlib
from collections.abc import Iterator

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import ApiVersion, KeyClient, KeyCurveName, KeyOperation, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from tests.support.running_lab import LabUnderTest

WRAPPING: list[str | KeyOperation] = [KeyOperation.wrap_key, KeyOperation.unwrap_key]


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def keys(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[KeyClient]:
    with KeyClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as client:
        yield client


def codes(error: HttpResponseError) -> tuple[int | None, str, str]:
    assert error.response is not None
    shown = error.response.json()["error"]  # type: ignore[attr-defined]
    return error.status_code, shown["code"], shown.get("innererror", {}).get("code", "")


def asked(credential: ManagedIdentityCredential, url: str, body: object, *, method: str = "POST") -> requests.Response:
    token = credential.get_token("https://vault.azure.net/.default").token
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, f"{url}?api-version=7.6", headers=headers, json=body, timeout=60)


def number(key: KeyVaultKey, name: str) -> int:
    """Return a public member of the key's JWK."""
    return int.from_bytes(getattr(key.key, name), "big")


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_wrapping_key_unwraps_and_does_nothing_else(keys: KeyClient, credential: ManagedIdentityCredential) -> None:
    made = keys.create_rsa_key("vibedata-wrapping", size=3072, key_operations=WRAPPING, tags={"a": "b"})
    assert (made.key_type, made.properties.tags, made.properties.enabled) == ("RSA", {"a": "b"}, True)
    assert (made.key_operations, made.properties.exportable) == (["wrapKey", "unwrapKey"], False)
    public = rsa.RSAPublicNumbers(number(made, "e"), number(made, "n")).public_key()
    assert public.key_size == 3072
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    with CryptographyClient(made, credential) as crypto:
        assert crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, public.encrypt(b"k" * 32, oaep)).key == b"k" * 32
    url = f"{made.id}/"
    wrapped = asked(credential, f"{url}wrapkey", {"alg": "RSA-OAEP-256", "value": encoded(b"another")}).json()
    assert wrapped["kid"] == made.id
    body = {"alg": "RSA-OAEP-256", "value": wrapped["value"]}
    latest = f"{keys.vault_url}/keys/vibedata-wrapping//unwrapkey"
    assert asked(credential, latest, body).json() == {"kid": made.id, "value": encoded(b"another")}
    refused = asked(credential, f"{url}decrypt", body)
    assert (refused.status_code, refused.json()["error"]["innererror"]["code"]) == (403, "KeyOperationForbidden")
    digest = {"alg": "PS256", "value": encoded(hashlib.sha256(b"x").digest())}
    assert asked(credential, f"{url}sign", digest).status_code == 403
    for alg, value in (("RSA-OAEP", wrapped["value"]), ("RSA-OAEP-256", encoded(b"\0" * 384)), ("RSA-OAEP-256", "?")):
        assert asked(credential, f"{url}unwrapkey", {"alg": alg, "value": value}).status_code == 400
    assert asked(credential, f"{url}unwrapkey", {**body, "surprise": 1}).status_code == 400
    assert not {"d", "p", "q"} & set(asked(credential, made.id or "", None, method="GET").json()["key"])


@pytest.mark.parametrize(("curve", "bits"), [("P-256", 256), ("P-384", 384), ("P-521", 512)])
def test_elliptic_keys_sign(keys: KeyClient, credential: ManagedIdentityCredential, curve: str, bits: int) -> None:
    made = keys.create_ec_key("signing", curve=KeyCurveName(curve))
    digest = hashlib.new(f"sha{bits}", b"text").digest()
    algorithm = SignatureAlgorithm(f"ES{bits}")
    with CryptographyClient(made, credential) as crypto:
        signature = crypto.sign(algorithm, digest).signature
    half = len(signature) // 2
    numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    kinds: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
        "P-256": (ec.SECP256R1(), hashes.SHA256()),
        "P-384": (ec.SECP384R1(), hashes.SHA384()),
        "P-521": (ec.SECP521R1(), hashes.SHA512()),
    }
    group, kind = kinds[curve]
    public = ec.EllipticCurvePublicNumbers(number(made, "x"), number(made, "y"), group).public_key()
    public.verify(encode_dss_signature(*numbers), digest, ec.ECDSA(Prehashed(kind)))
    body = {"alg": f"ES{bits}", "digest": encoded(digest), "value": encoded(signature)}
    assert asked(credential, f"{made.id}/verify", body).json() == {"value": True}
    changed = {**body, "value": encoded(signature[:-1] + bytes([signature[-1] ^ 1]))}
    assert asked(credential, f"{made.id}/verify", changed).json() == {"value": False}
    wrong = "ES384" if bits == 256 else "ES256"
    assert asked(credential, f"{made.id}/sign", {"alg": wrong, "value": encoded(b"x" * 32)}).status_code == 400
    assert asked(credential, f"{made.id}/sign", {"alg": f"ES{bits}", "value": encoded(b"x")}).status_code == 400
    assert asked(credential, f"{made.id}/wrapkey", {"alg": "RSA-OAEP-256", "value": "AAAA"}).status_code == 403


@pytest.mark.parametrize("bits", [256, 384, 512])
def test_rsa_keys_sign(keys: KeyClient, credential: ManagedIdentityCredential, bits: int) -> None:
    made = keys.create_rsa_key("signing", size=2048)
    kind = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[bits]
    digest = hashlib.new(f"sha{bits}", b"text").digest()
    with CryptographyClient(made, credential) as crypto:
        signature = crypto.sign(SignatureAlgorithm(f"PS{bits}"), digest).signature
    public = rsa.RSAPublicNumbers(number(made, "e"), number(made, "n")).public_key()
    pss = padding.PSS(mgf=padding.MGF1(kind), salt_length=bits // 8)
    public.verify(signature, digest, pss, Prehashed(kind))
    with pytest.raises(InvalidSignature):
        public.verify(signature[:-1] + bytes([signature[-1] ^ 1]), digest, pss, Prehashed(kind))
    body = {"alg": f"PS{bits}", "digest": encoded(digest), "value": encoded(signature)}
    assert asked(credential, f"{made.id}/verify", body).json() == {"value": True}


@pytest.mark.parametrize("version", ["7.4", "7.5", "7.6", "2025-07-01"])
def test_versions_update_and_lists(lab: LabUnderTest, credential: ManagedIdentityCredential, version: str) -> None:
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with KeyClient(endpoint, credential, api_version=ApiVersion(version)) as keys:
        first, second = keys.create_ec_key("one"), keys.create_ec_key("ONE")
        assert first.properties.version != second.properties.version
        assert keys.get_key("one").id == second.id
        assert number(keys.get_key("one", first.properties.version), "x") == number(first, "x")
        listed = {one.version for one in keys.list_properties_of_key_versions("one")}
        assert listed == {first.properties.version, second.properties.version}
        assert [one.name for one in keys.list_properties_of_keys()] == ["one"]
        changed = keys.update_key_properties("one", key_operations=[KeyOperation.verify], tags={"a": "b"})
        assert (changed.key_operations, changed.properties.tags) == (["verify"], {"a": "b"})
        assert keys.get_key("one").properties.enabled
        lab.reset()
        assert list(keys.list_properties_of_keys()) == []


def test_disabled_and_expired_keys(lab: LabUnderTest, keys: KeyClient, credential: ManagedIdentityCredential) -> None:
    made = keys.create_rsa_key("key", size=2048)
    sign = {"alg": "PS256", "value": encoded(bytes(32))}
    wrapped = asked(credential, f"{made.id}/wrapkey", {"alg": "RSA-OAEP-256", "value": encoded(b"k")}).json()["value"]
    unwrap = {"alg": "RSA-OAEP-256", "value": wrapped}

    def inner(operation: str, body: object) -> str:
        answer = asked(credential, f"{made.id}/{operation}", body)
        return (
            str(answer.json()["error"]["innererror"]["code"]) if answer.status_code == 403 else str(answer.status_code)
        )

    keys.update_key_properties("key", enabled=False)
    assert (inner("sign", sign), inner("unwrapkey", unwrap)) == ("KeyDisabled", "KeyDisabled")
    assert keys.get_key("key").properties.enabled is False  # unlike a disabled secret it is shown
    now = lab.control("GET", "/clock")["now"]
    attributes = {"enabled": True, "exp": int(now) + 60}
    assert asked(credential, made.id or "", {"attributes": attributes}, method="PATCH").status_code == 200
    assert (inner("sign", sign), inner("unwrapkey", unwrap)) == ("200", "200")
    lab.control("POST", "/clock", {"advance_seconds": 61})
    assert (inner("sign", sign), inner("unwrapkey", unwrap)) == ("KeyExpired", "200")


def test_what_the_vault_does_not_make_is_refused(keys: KeyClient, credential: ManagedIdentityCredential) -> None:
    url = f"{keys.vault_url}/keys/new/create"
    bodies: list[dict[str, object]] = [
        {},
        {"kty": "RSA-HSM"},
        {"kty": "oct"},
        {"kty": "RSA", "key_size": 1024},
        {"kty": "RSA", "key_size": 2048.0},
        {"kty": "RSA", "crv": "P-256"},
        {"kty": "EC", "crv": "P-256K"},
        {"kty": "EC", "key_ops": ["wrapKey"]},
        {"kty": "EC", "attributes": {"exportable": True}},
        {"kty": "EC", "surprise": 1},
        {"kty": "EC", "attributes": {"surprise": 1}},
    ]
    for body in bodies:
        answer = asked(credential, url, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter"), body
    with pytest.raises(ResourceNotFoundError) as absent:
        keys.get_key("new")
    assert codes(absent.value) == (404, "KeyNotFound", "")


def test_deleted_keys_are_recovered_or_purged(lab: LabUnderTest, keys: KeyClient) -> None:
    made = keys.create_ec_key("key")
    deleted = keys.begin_delete_key("key").result()
    assert (deleted.name, deleted.recovery_id) == ("key", f"{keys.vault_url}/deletedkeys/key")
    with pytest.raises(ResourceExistsError) as conflict:
        keys.create_ec_key("key")
    assert codes(conflict.value) == (409, "Conflict", "ObjectIsDeletedButRecoverable")
    assert keys.begin_recover_deleted_key("key").result().id == made.id
    assert keys.get_key("key").properties.recovery_level == "Recoverable+Purgeable"

    lab.control("POST", "/vaults", {"service": "key_vault", "purge_protection": True})
    assert keys.get_key("key").properties.recovery_level == "Recoverable"
    keys.begin_delete_key("key").wait()
    with pytest.raises(HttpResponseError) as protected:
        keys.purge_deleted_key("key")
    assert codes(protected.value) == (403, "Forbidden", "ForbiddenByPolicy")
    lab.control("POST", "/clock", {"advance_seconds": 91 * 24 * 3600})
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as later,
        KeyClient(keys.vault_url, later, retry_total=0) as months_later,
    ):
        with pytest.raises(ResourceNotFoundError):
            months_later.get_deleted_key("key")
        months_later.create_ec_key("key")
    lab.control("POST", "/clock", {"offset_seconds": 0})

    lab.control("POST", "/vaults", {"service": "key_vault", "purge_protection": False})
    keys.begin_delete_key("key").wait()
    assert [one.name for one in keys.list_deleted_keys()] == ["key"]
    keys.purge_deleted_key("key")
    assert list(keys.list_deleted_keys()) == []
    lab.control("POST", "/vaults", {"service": "key_vault"}, status=400)


def test_reads_without_version_lag_behind_writes(
    lab: LabUnderTest, keys: KeyClient, credential: ManagedIdentityCredential
) -> None:
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with SecretClient(endpoint, credential, retry_total=0) as secrets:
        first = secrets.set_secret("secret", "old")
        lab.latency(operation="vaultVisibility", service="key_vault", seconds=600)
        second = secrets.set_secret("secret", "new")
        made = keys.create_ec_key("key")
        assert secrets.get_secret("secret").value == "old"
        assert secrets.get_secret("secret", second.properties.version).value == "new"
        assert [one.version for one in secrets.list_properties_of_secret_versions("secret")] == [
            first.properties.version
        ]
        assert keys.get_key("key", made.properties.version).id == made.id
        with pytest.raises(ResourceNotFoundError):
            keys.get_key("key")
        assert list(keys.list_properties_of_keys()) == []
        with pytest.raises(ResourceNotFoundError):  # what is unseen cannot be used without its version, either
            keys.get_cryptography_client("key").unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"x")
        lab.control("POST", "/clock", {"advance_seconds": 601})
        assert secrets.get_secret("secret").value == "new"
        assert keys.get_key("key").id == made.id
        secrets.update_secret_properties("secret", second.properties.version, enabled=False)
        assert secrets.get_secret("secret").value == "new"
        lab.control("DELETE", "/latency")
        with pytest.raises(HttpResponseError) as disabled:
            secrets.get_secret("secret")
        assert codes(disabled.value) == (403, "Forbidden", "SecretDisabled")


def test_publishers_vault_is_another(lab: LabUnderTest, keys: KeyClient, credential: ManagedIdentityCredential) -> None:
    endpoint = lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"]
    lab.latency(operation="vaultVisibility", service="key_vault", seconds=600)
    with KeyClient(endpoint, credential, retry_total=0) as publishers, SecretClient(endpoint, credential) as secrets:
        made = publishers.create_ec_key("key")
        assert publishers.get_key("key").id == made.id  # the other vault's lag is none of its
        assert (made.id or "").startswith(endpoint)
        assert list(secrets.list_properties_of_secrets()) == []
        assert list(keys.list_properties_of_keys()) == []
        lab.reset()
        with pytest.raises(ResourceNotFoundError):
            publishers.get_key("key")
    # A token for one vault's own resource is not taken by the other.
    customers = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    token = credential.get_token("https://" + customers.partition("127.")[2] + "/.default").token
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{customers}/keys?api-version=7.6", headers=headers, timeout=60).status_code == 200
    assert requests.get(f"{endpoint}/keys?api-version=7.6", headers=headers, timeout=60).status_code == 401
