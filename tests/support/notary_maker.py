"""Signatures and certificates that no honest signer makes, for tests of the verifier. Each is correctly signed."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature, verify_envelope
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make
from tests.support.notary_fixtures import NOW

SUBJECT = Subject(media_type="application/vnd.oci.image.manifest.v1+json", digest=f"sha256:{'a' * 64}", size=506)
TARGET = {"mediaType": SUBJECT.media_type, "digest": SUBJECT.digest, "size": SUBJECT.size}
SCHEME, TIME = "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime"
AUTHENTIC_TIME, EXPIRY = "io.cncf.notary.authenticSigningTime", "io.cncf.notary.expiry"
PROTECTED: Mapping[str, Any] = {
    "alg": "ES256",
    "crit": [SCHEME],
    "cty": "application/vnd.cncf.notary.payload.v1+json",
    SCHEME: "notary.x509",
    TIME: "2026-11-23T00:00:00Z",
}
IDENTITY = Wanted().name


def der(tag: int, *parts: bytes) -> bytes:
    """Return one DER element."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def assemble(tbs: bytes, key: Any, algorithm: bytes, digest: hashes.HashAlgorithm) -> bytes:
    """Return a certificate of these bytes, signed with an EC key. algorithm: the DER of the algorithm's OID."""
    signature = key.sign(tbs, ec.ECDSA(digest))
    return der(0x30, tbs, der(0x30, algorithm), der(0x03, b"\0", signature))


ECDSA_SHA256, ECDSA_SHA1 = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06072a8648ce3d0401")


def altered(certificate: x509.Certificate, issuer_key: Any, change: Callable[[bytes], bytes]) -> bytes:
    """Change the signed part of a certificate, sign it again, and return it. The change keeps the length."""
    tbs = change(certificate.tbs_certificate_bytes)
    assert len(tbs) == len(certificate.tbs_certificate_bytes)
    assert tbs != certificate.tbs_certificate_bytes
    return assemble(tbs, issuer_key, ECDSA_SHA256, hashes.SHA256())


def as_der(certificate: Made | bytes) -> bytes:
    return certificate if isinstance(certificate, bytes) else certificate.certificate.public_bytes(Encoding.DER)


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of certificates, the leaf first. key: the leaf's key."""

    certificates: Sequence[Made | bytes]
    key: Any = field(repr=False)

    @property
    def roots(self) -> frozenset[str]:
        return frozenset({fingerprint(self.certificates[-1])})

    def policy(self, **fields: Any) -> TrustPolicy:
        return replace(TrustPolicy(roots=self.roots, identity=IDENTITY), **fields)

    def sign(
        self,
        protected: Mapping[str, Any] | bytes = PROTECTED,
        payload: Any = None,
        header: Mapping[str, Any] | None = None,
        **members: Any,
    ) -> bytes:
        """Return an envelope. Bytes are signed unchanged. members: other values for its members, None for no member."""
        body = {"targetArtifact": TARGET} if payload is None else payload
        texts = [
            base64url(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in (protected, body)
        ]
        r, s = decode_dss_signature(self.key.sign(".".join(texts).encode(), ec.ECDSA(hashes.SHA256())))
        envelope: dict[str, Any] = {
            "payload": texts[1],
            "protected": texts[0],
            "header": {"x5c": [b64encode(as_der(each)).decode() for each in self.certificates], **(header or {})},
            "signature": base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        }
        return json.dumps(
            {name: value for name, value in (envelope | members).items() if value is not None}, separators=(",", ":")
        ).encode()

    def verify(self, envelope: bytes | None = None, **policy: Any) -> VerifiedSignature:
        """Verify an envelope. The default is an ordinary envelope of this chain."""
        return verify_envelope(
            self.sign() if envelope is None else envelope, JWS, subject=SUBJECT, policy=self.policy(**policy), now=NOW
        )


def fingerprint(certificate: Made | bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(as_der(certificate))
    return digest.finalize().hex()


def protected_with(**fields: Any) -> dict[str, Any]:
    """Return a protected header. None leaves a member out. `time` and `scheme` mean the specification's long names."""
    names = {"scheme": SCHEME, "time": TIME, "authentic_time": AUTHENTIC_TIME, "expiry": EXPIRY}
    changed = dict(PROTECTED) | {names.get(name, name): value for name, value in fields.items()}
    return {name: value for name, value in changed.items() if value is not None}


ROOT = make(AUTHORITY)
INTERMEDIATE = make(replace(AUTHORITY, name="CN=Vibedata Intermediate"), issuer=ROOT)
LEAF = make(Wanted(), issuer=INTERMEDIATE)
CHAIN = Chain((LEAF, INTERMEDIATE, ROOT), LEAF.key)
