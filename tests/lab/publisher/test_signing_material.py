"""The signing key of the lab's publisher, used as its pipeline would use it: from lab.env, through the official
client.
"""

import hashlib
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.running_lab import LabUnderTest


def test_key_in_the_vault_signs_for_the_certificate_also_after_a_reset(lab: LabUnderTest) -> None:
    leaf, root = x509.load_pem_x509_certificates(Path(lab.env["VIBEDATA_SIGNING_CHAIN"]).read_bytes())
    public = leaf.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        for _ in range(2):
            with CryptographyClient(lab.env["VIBEDATA_SIGNING_KEY"], credential) as crypto:
                signed = crypto.sign(SignatureAlgorithm.es256, hashlib.sha256(b"release").digest())
            assert signed.key_id == lab.env["VIBEDATA_SIGNING_KEY"]
            half = len(signed.signature) // 2
            numbers = (int.from_bytes(part, "big") for part in (signed.signature[:half], signed.signature[half:]))
            public.verify(encode_dss_signature(*numbers), b"release", ec.ECDSA(hashes.SHA256()))
            lab.reset()
        with (
            KeyClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as customers,
            pytest.raises(HttpResponseError),
        ):
            customers.get_key("release-signing")
    assert hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest() in lab.env["VIBEDATA_TRUST_ROOTS"].split(",")
    assert leaf.subject.rfc4514_string() == lab.env["VIBEDATA_TRUSTED_IDENTITY"]


def test_chain_is_as_notary_asks(lab: LabUnderTest) -> None:
    leaf, root = x509.load_pem_x509_certificates(Path(lab.env["VIBEDATA_SIGNING_CHAIN"]).read_bytes())
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "O=Vibedata" in lab.env["VIBEDATA_TRUSTED_IDENTITY"].split(",")
    assert "CN=Vibedata Release Signing" in lab.env["VIBEDATA_TRUSTED_IDENTITY"].split(",")
