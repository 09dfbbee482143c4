"""Signing with a key of the publisher's Key Vault, which never leaves it."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyOperation, KeyVaultKey
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from oci.layout.writer import MANIFEST_MEDIA_TYPE, Descriptor
from oci.signing import notary as notary_sign
from oci.signing.notary import Signature
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from tests.support.certificate_maker import AUTHORITY, PublicKey, Wanted, certify, make, pem
from tests.support.envelope_check import verify_envelope_alone
from tests.support.running_lab import LabUnderTest
from vibedata.release import signing as release_signing

SERVICE = "publisher_key_vault"
SUBJECT = Descriptor(media_type=MANIFEST_MEDIA_TYPE, digest=f"sha256:{7:064x}", size=506)
ROOT = make(AUTHORITY)
CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
SIGN_ONLY: list[str | KeyOperation] = [KeyOperation.sign, KeyOperation.verify]


@pytest.fixture
def keys(lab: LabUnderTest) -> Iterator[KeyClient]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        KeyClient(lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"], credential) as client,
    ):
        yield client


def public_key_of(key: KeyVaultKey) -> PublicKey:
    jwk: Any = key.key
    if "EC" in jwk.kty:
        x, y = int.from_bytes(jwk.x, "big"), int.from_bytes(jwk.y, "big")
        return ec.EllipticCurvePublicNumbers(x, y, CURVES[jwk.crv]).public_key()
    return rsa.RSAPublicNumbers(int.from_bytes(jwk.e, "big"), int.from_bytes(jwk.n, "big")).public_key()


def sign(lab: LabUnderTest, folder: Path, key_id: str, public_key: PublicKey) -> Signature:
    """Sign as the command does, with a certificate for `public_key`."""
    chain = folder / "chain.pem"
    chain.write_bytes(pem(certify(Wanted(), public_key, issuer=ROOT), ROOT))
    arguments = argparse.Namespace(signing_key=key_id, signing_chain=str(chain))
    signing = release_signing.signing(arguments, lab.env, SYSTEM_CLOCK)
    assert signing is not None
    return notary_sign.sign(SUBJECT, signing)


def refusal(lab: LabUnderTest, folder: Path, key_id: str, public_key: PublicKey) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        sign(lab, folder, key_id, public_key)
    return caught.value


def ec_key(keys: KeyClient, **options: Any) -> KeyVaultKey:
    return keys.create_ec_key("release", **{"curve": "P-256", "key_operations": SIGN_ONLY, **options})


@pytest.mark.parametrize("curve", CURVES)
def test_a_vaults_elliptic_key_signs(lab: LabUnderTest, keys: KeyClient, tmp_path: Path, curve: str) -> None:
    key = ec_key(keys, curve=curve)
    verify_envelope_alone(sign(lab, tmp_path, str(key.id), public_key_of(key)).envelope)
    paths = [entry["path"] for entry in lab.journal(service=SERVICE, method="POST") if entry["status"] == 200]
    assert [path.partition("?")[0].rpartition("/")[2] for path in paths] == ["create", "sign"]


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_vaults_rsa_key_signs(lab: LabUnderTest, keys: KeyClient, tmp_path: Path, bits: int) -> None:
    key = keys.create_rsa_key("release", size=bits, key_operations=SIGN_ONLY)
    verify_envelope_alone(sign(lab, tmp_path, str(key.id), public_key_of(key)).envelope)


def test_a_lost_answer_is_asked_for_again(lab: LabUnderTest, keys: KeyClient, tmp_path: Path) -> None:
    key = ec_key(keys)
    lab.fault("reset_after", match={"service": SERVICE, "method": "POST", "path": "/sign"})
    verify_envelope_alone(sign(lab, tmp_path, str(key.id), public_key_of(key)).envelope)


def test_another_version_of_the_key_is_not_the_certificates(lab: LabUnderTest, keys: KeyClient, tmp_path: Path) -> None:
    former = ec_key(keys)
    newer = ec_key(keys)
    assert former.id != newer.id
    versionless = str(newer.id).rpartition("/")[0]
    assert refusal(lab, tmp_path, versionless, public_key_of(former)).code == "VD-TRUST-052"
    sign(lab, tmp_path, str(former.id), public_key_of(former))


def test_a_vault_that_does_not_sign_is_named(lab: LabUnderTest, keys: KeyClient, tmp_path: Path) -> None:
    key = ec_key(keys)
    public_key = public_key_of(key)
    for other in (f"{keys.vault_url}/keys/absent", str(ec_key(keys, key_operations=[KeyOperation.verify]).id)):
        assert refusal(lab, tmp_path, other, public_key).code == "VD-TRUST-053"
    lab.fault("status", status=403, times=0, match={"service": SERVICE, "path": "/sign"})
    error = refusal(lab, tmp_path, str(key.id), public_key)
    assert (error.code, "403" in error.detail) == ("VD-TRUST-053", True)
    lab.clear_faults()
    assert refusal(lab, tmp_path, f"{keys.vault_url}/secrets/release", public_key).code == "VD-TRUST-051"
    assert refusal(lab, tmp_path, "https://elsewhere", public_key).code == "VD-TRUST-051"
