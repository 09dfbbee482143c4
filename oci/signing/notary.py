"""Make a Notary Project signature, as the notation command does: the JWS envelope and the manifest that carries it.

Source: notaryproject/specifications, signature-specification.md and signature-envelope-jws.md; RFC 7515, 7.2.2 (the
flattened JSON serialisation). The signature has no expiry: the release manifest itself says until when it may be
installed, and an installed release must be readable longer.
"""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from oci.layout.writer import EMPTY, MANIFEST_MEDIA_TYPE, Descriptor, canonical
from oci.signing.chain import SigningChain
from oci.signing.signers import Signer
from runbook_lib.basics import base64url
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import build
from runbook_lib.trust import manifest as notary_manifest
from runbook_lib.trust.algorithms import is_signed

ARTIFACT_TYPE = notary_manifest.ARTIFACT_TYPE
ENVELOPE_MEDIA_TYPE = "application/jose+json"
PAYLOAD_MEDIA_TYPE = "application/vnd.cncf.notary.payload.v1+json"
SIGNING_SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
SIGNING_AGENT = "io.cncf.notary.signingAgent"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
CREATED = "org.opencontainers.image.created"
# It tells people where a signature comes from. No program reads it.
AGENT = "vibedata-build/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The certificates, the key of the first one, and the clock for the signing time."""

    chain: SigningChain
    signer: Signer = field(repr=False)
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature: its envelope, and the OCI manifest whose only layer is the envelope and whose subject is signed."""

    envelope: bytes
    manifest: bytes


def sign(subject: Descriptor, signing: Signing) -> Signature:
    """Sign an artifact by its manifest's descriptor.

    Raises RunbookError VD-TRUST-052 (the key is not the leaf's), and the signer's errors. The signature shows whose key
    it is, because a vault need not show the key.
    """
    # Whole seconds: "the optional fractional second SHOULD NOT be used".
    moment = signing.clock.now().astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    envelope = _envelope(_payload(subject), _protected(signing.chain.algorithm.name, moment), signing)
    return Signature(envelope=envelope, manifest=_manifest(subject, envelope, signing.chain, moment))


def _payload(subject: Descriptor) -> bytes:
    target = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    return canonical({"targetArtifact": target})


def _protected(algorithm: str, moment: str) -> bytes:
    return canonical(
        {
            "alg": algorithm,
            "crit": [SIGNING_SCHEME],
            "cty": PAYLOAD_MEDIA_TYPE,
            SIGNING_SCHEME: "notary.x509",
            SIGNING_TIME: moment,
        }
    )


def _envelope(payload: bytes, protected: bytes, signing: Signing) -> bytes:
    chain = signing.chain
    fields: dict[str, Any] = {"payload": base64url.encode(payload), "protected": base64url.encode(protected)}
    signing_input = f"{fields['protected']}.{fields['payload']}".encode("ascii")
    hashed = hashes.Hash(chain.hash)
    hashed.update(signing_input)
    signature = signing.signer.sign(hashed.finalize())
    if not is_signed(chain.leaf, chain.algorithm, signature, signing_input):
        raise build.SIGNING_KEY_OF_OTHER_CERTIFICATE.error(target=chain.leaf.subject)
    certificates = [b64encode(each.parsed.public_bytes(Encoding.DER)).decode() for each in chain.certificates]
    fields |= {"header": {"x5c": certificates, SIGNING_AGENT: AGENT}, "signature": base64url.encode(signature)}
    # In notation's order.
    return json.dumps(fields, separators=(",", ":")).encode()


def _manifest(subject: Descriptor, envelope: bytes, chain: SigningChain, moment: str) -> bytes:
    """Return the manifest. Specification 1.1, "Storage": config.mediaType MUST be the type. Drafts have artifactType.

    Released clients find only this form in a layout's folder. Container registries list both forms.
    """
    config = Descriptor(media_type=ARTIFACT_TYPE, digest=digest_of(EMPTY), size=len(EMPTY))
    layer = Descriptor(media_type=ENVELOPE_MEDIA_TYPE, digest=digest_of(envelope), size=len(envelope))
    signed = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "config": config.as_json(),
            "layers": [layer.as_json()],
            "subject": signed.as_json(),
            "annotations": {
                THUMBPRINTS: canonical([certificate.fingerprint for certificate in chain.certificates]).decode(),
                CREATED: moment,
            },
        }
    )
