"""The signature of `vibedata build`, compared with notation's signatures, and read only with `cryptography`."""

import hashlib
import json
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from oci.layout.writer import MANIFEST_MEDIA_TYPE, Descriptor
from oci.signing import notary as notary_sign
from oci.signing.chain import read_chain
from oci.signing.notary import Signature, Signing
from oci.signing.signers import PemSigner
from runbook_lib.errors import RunbookError
from runbook_lib.trust.manifest import read_signature_manifest
from runbook_lib.trust.signature import Subject, TrustPolicy, verify_envelope
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make, new_key, pem
from tests.support.envelope_check import base64url, verify_envelope_alone
from tests.support.fake_clock import FakeClock
from tests.support.unknown_versions import certificate_of_version_9, pem_of

NOW = FakeClock().now()
# Of a signature that notation wrote (v1.3.2).
NOTATION_PAYLOAD = (
    '{"targetArtifact":{"digest":"sha256:01c688048831df2a0e64addacecda37fb4300e338bfcf00c1f12204b226d55ea",'
    '"mediaType":"application/vnd.oci.image.manifest.v1+json","size":506}}'
)
NOTATION_PROTECTED = (
    '{"alg":"ES256","crit":["io.cncf.notary.signingScheme"],"cty":"application/vnd.cncf.notary.payload.v1+json",'
    '"io.cncf.notary.signingScheme":"notary.x509","io.cncf.notary.signingTime":"2026-11-23T10:00:00Z"}'
)
NOTATION_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {
        "mediaType": "application/vnd.cncf.notary.signature",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    },
    "layers": [{"mediaType": "application/jose+json"}],
    "subject": {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": "sha256:01c688048831df2a0e64addacecda37fb4300e338bfcf00c1f12204b226d55ea",
        "size": 506,
    },
    "annotations": {"org.opencontainers.image.created": "2026-11-23T10:00:00Z"},
}
SUBJECT = Descriptor(
    media_type=MANIFEST_MEDIA_TYPE,
    digest="sha256:01c688048831df2a0e64addacecda37fb4300e338bfcf00c1f12204b226d55ea",
    size=506,
    # Other members of our descriptors are not signed.
    artifact_type="application/vnd.vibedata.release-manifest.v1+json",
    annotations={"org.opencontainers.image.ref.name": "vibedata/release-manifest:2026.11.0"},
)
ROOT = make(AUTHORITY)
BETWEEN = make(replace(AUTHORITY, name="CN=Vibedata Issuing", path_length=0), issuer=ROOT)
LEAF = make(Wanted(), issuer=BETWEEN)


def signed_by(made: Made, *issuers: Made) -> Signature:
    chain = read_chain(pem(made, *issuers), now=NOW)
    signer = PemSigner(pem=made.key_pem, chain=chain)
    return notary_sign.sign(SUBJECT, Signing(chain=chain, signer=signer, clock=FakeClock()))


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"])
def test_the_envelope_is_notations_to_the_byte(algorithm: str) -> None:
    leaf = make(Wanted(), issuer=BETWEEN, key=new_key(algorithm))
    content = signed_by(leaf, BETWEEN, ROOT).envelope
    envelope = json.loads(content)
    assert json.dumps(envelope, separators=(",", ":")).encode() == content
    assert list(envelope) == ["payload", "protected", "header", "signature"]
    assert base64url(envelope["payload"]).decode() == NOTATION_PAYLOAD
    assert base64url(envelope["protected"]).decode() == NOTATION_PROTECTED.replace("ES256", algorithm)
    assert set(envelope["header"]) == {"x5c", "io.cncf.notary.signingAgent"}
    der = [each.certificate.public_bytes(Encoding.DER) for each in (leaf, BETWEEN, ROOT)]
    assert [b64decode(text, validate=True) for text in envelope["header"]["x5c"]] == der
    verify_envelope_alone(content)
    # Customers accept it, too.
    subject = Subject(media_type=SUBJECT.media_type, digest=SUBJECT.digest, size=SUBJECT.size)
    root = ROOT.certificate.fingerprint(hashes.SHA256()).hex()
    policy = TrustPolicy(roots=frozenset({root}), identity=Wanted().name)
    verified = verify_envelope(content, "application/jose+json", subject=subject, policy=policy, now=NOW)
    assert (verified.algorithm, verified.anchor_fingerprint, verified.signing_time) == (algorithm, root, NOW)


def test_the_manifest_is_notations_field_by_field() -> None:
    signature = signed_by(LEAF, BETWEEN, ROOT)
    manifest = json.loads(signature.manifest)
    thumbprints = manifest["annotations"].pop("io.cncf.notary.x509chain.thumbprint#S256")
    ders = [each.certificate.public_bytes(Encoding.DER) for each in (LEAF, BETWEEN, ROOT)]
    assert json.loads(thumbprints) == [hashlib.sha256(der).hexdigest() for der in ders]
    (layer,) = manifest["layers"]
    assert layer.pop("digest") == f"sha256:{hashlib.sha256(signature.envelope).hexdigest()}"
    assert layer.pop("size") == len(signature.envelope)
    assert manifest == NOTATION_MANIFEST
    read = read_signature_manifest(signature.manifest)
    assert (read.subject.digest, read.envelope.size) == (SUBJECT.digest, len(signature.envelope))


def test_a_self_signed_leaf_is_a_chain() -> None:
    alone = make(Wanted())
    verify_envelope_alone(signed_by(alone).envelope)


def refused(content: bytes) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        read_chain(content, now=NOW)
    assert caught.value.code == "VD-TRUST-051"
    return caught.value


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(key_usage=None), "no critical keyUsage"),
        (Wanted(key_usage_critical=False), "no critical keyUsage"),
        (Wanted(key_usage=frozenset({"content_commitment"})), "not for digital signatures"),
        (Wanted(key_usage=frozenset({"digital_signature", "key_encipherment"})), "key_encipherment too"),
        (Wanted(key_usage=frozenset({"digital_signature", "crl_sign"})), "crl_sign too"),
        (Wanted(purposes=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH)), "serverAuth"),
        (Wanted(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "anyExtendedKeyUsage"),
        (Wanted(purposes=(ExtendedKeyUsageOID.TIME_STAMPING,)), "timeStamping"),
        (Wanted(authority=True), "is a certificate authority, and signs"),
        (Wanted(end=NOW - timedelta(seconds=1)), "expired at"),
        (Wanted(begin=NOW + timedelta(seconds=1)), "is valid from"),
    ],
)
def test_a_leaf_that_customers_would_refuse_does_not_sign(wanted: Wanted, said: str) -> None:
    error = refused(pem(make(wanted, issuer=BETWEEN), BETWEEN, ROOT))
    assert said in error.detail
    assert Wanted().name in error.detail


def test_what_a_leaf_may_have_is_taken() -> None:
    for wanted in (
        Wanted(purposes=None, authority=None),
        Wanted(key_usage=frozenset({"digital_signature", "content_commitment"})),
    ):
        read_chain(pem(make(wanted, issuer=BETWEEN), BETWEEN, ROOT), now=NOW)


def test_an_incomplete_or_broken_chain_does_not_sign() -> None:
    assert "does not end in a self-signed root" in refused(pem(LEAF, BETWEEN)).detail
    assert "is not issued by" in refused(pem(LEAF, ROOT)).detail
    assert "not the last of the chain" in refused(pem(LEAF, BETWEEN, ROOT, ROOT, LEAF)).detail
    assert "certificate authority, and signs" in refused(pem(ROOT, BETWEEN, LEAF)).detail
    assert "no certificates" in refused(b"").detail
    assert "no certificates" in refused(LEAF.key_pem).detail
    assert "no certificates" in refused(pem_of(certificate_of_version_9(LEAF.certificate))).detail
    for wanted, said in (
        (replace(AUTHORITY, authority=False), "basicConstraints"),
        (replace(AUTHORITY, authority=None), "basicConstraints"),
        (replace(AUTHORITY, key_usage=frozenset({"crl_sign"})), "may not sign certificates"),
        (replace(AUTHORITY, key_usage=None), "may not sign certificates"),
        (replace(AUTHORITY, end=NOW), ""),
    ):
        root = make(wanted)
        chain = pem(make(Wanted(), issuer=root), root)
        if said:
            assert said in refused(chain).detail
        else:
            read_chain(chain, now=NOW)  # the last second counts
    short = make(replace(AUTHORITY, path_length=0))
    between = make(AUTHORITY, issuer=short)
    assert "allows 0" in refused(pem(make(Wanted(), issuer=between), between, short)).detail
    weak = make(Wanted(), issuer=ROOT, key=ec.generate_private_key(ec.SECP256K1()))
    assert "none of RSA 2048" in refused(pem(weak, ROOT)).detail


def test_the_key_must_be_the_leafs() -> None:
    chain = read_chain(pem(LEAF, BETWEEN, ROOT), now=NOW)
    for other, code in (
        (make(Wanted()).key_pem, "VD-TRUST-052"),
        (pem(LEAF), "VD-TRUST-051"),
        (LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "VD-TRUST-051"),
    ):
        with pytest.raises(RunbookError) as caught:
            PemSigner(pem=other, chain=chain)
        assert caught.value.code == code


@pytest.mark.parametrize("answer", [b"", b"\0" * 64, b"\1" * 64, b"\1" * 63])
def test_a_signature_that_is_not_the_leafs_is_not_written(answer: bytes) -> None:
    class Foreign:
        def sign(self, digest: bytes) -> bytes:
            assert len(digest) == 32
            return answer

    chain = read_chain(pem(LEAF, BETWEEN, ROOT), now=NOW)
    with pytest.raises(RunbookError) as caught:
        notary_sign.sign(SUBJECT, Signing(chain=chain, signer=Foreign(), clock=FakeClock()))
    assert caught.value.code == "VD-TRUST-052"
