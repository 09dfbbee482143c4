"""Verify a Notary Project signature: one JWS envelope, over one artifact, of a signer that the policy trusts.

The numbers of the steps are those of trust-store-trust-policy.md, "Signature Verification". The caller does steps 1 and
2: it gives the policy, and the only level is `strict`. Beyond the specification, everything is refused that cannot be
read for certain. docs/trust.md has every decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RefusedSigner, RunbookError, trust
from runbook_lib.trust._attributes import X509, Attributes, read_attributes
from runbook_lib.trust._identity import Identity, identity_of, read_identity
from runbook_lib.trust.algorithms import algorithm_of, is_signed
from runbook_lib.trust.certificates import Certificate, check_chain, check_validity, read_chain
from runbook_lib.trust.descriptor import Descriptor, malformed, read_descriptor, read_object, refuse_lookalikes, shown
from runbook_lib.trust.envelope import Envelope, read_envelope

# The signed artifact, in the words of the OCI specification.
Subject = Descriptor

_PAYLOAD_STEP = "3.3.4 of the workflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """The signers to trust.

    Attributes:
        roots: SHA-256 fingerprints, hex, of DER certificates. The chain must have one of them above the leaf, or the
            chain must be this one self-signed certificate.
        identity: The leaf's exact subject in the form of RFC 4514.
        signing_authority_roots: The same for signatures of the scheme notary.x509.signingAuthority, whose signer also
            proves the time. The product has none, so it refuses these signatures.
    """

    roots: frozenset[str]
    identity: str
    signing_authority_roots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSignature:
    """A good signature's content. Fingerprints are SHA-256 of DER, hex. Times are aware, in UTC.

    `algorithm` is a name of RFC 7518. The signer alone states `signing_time`, so it proves nothing.
    """

    algorithm: str
    leaf_subject: str
    leaf_fingerprint: str
    anchor_fingerprint: str
    signing_time: datetime
    expiry: datetime | None


def verify_envelope(
    envelope: bytes, media_type: str, *, subject: Subject, policy: TrustPolicy, now: datetime
) -> VerifiedSignature:
    """Verify a signature and return its content.

    Args:
        envelope: The bytes of the envelope.
        media_type: The media type of its layer in the signature manifest.
        subject: The artifact that must be signed.
        policy: The signers to trust.
        now: The time of the verification, aware.

    Raises:
        RunbookError: VD-TRUST-002 to -012, and nothing else for any bytes. If the signing certificate could be read,
            the error names its subject.
    """
    identity = read_identity(policy.identity)

    # 3. Integrity. 3.1: the envelope can be parsed; 3.2: its payload is of the one known type.
    read = read_envelope(envelope, media_type)
    attributes = read_attributes(read.protected)
    # 3.3: the signing certificate, the first of the chain.
    chain = read_chain(read.chain)
    passed = ["the envelope and its certificates can be read (steps 3.1 to 3.3)"]
    try:
        return _verify_chain(read, attributes, chain, identity, passed, subject=subject, policy=policy, now=now)
    except RunbookError as error:
        error.signers = (_refused_signer(chain[0], passed),)
        raise


def _verify_chain(
    read: Envelope,
    attributes: Attributes,
    chain: Sequence[Certificate],
    identity: Identity,
    passed: list[str],
    *,
    subject: Subject,
    policy: TrustPolicy,
    now: datetime,
) -> VerifiedSignature:
    """Do the steps from 3.4 on. Each passed step is added to `passed`."""
    leaf = chain[0]
    # 3.4: the certificate's key determines the algorithm.
    algorithm = algorithm_of(leaf, attributes.algorithm)
    # 3.5: that key made the signature.
    if not is_signed(leaf, algorithm, read.signature, read.signing_input):
        raise trust.SIGNATURE_ALTERED.error("the key of its certificate did not make it (step 3.5)")
    passed.append("the key of its certificate made it (step 3.5)")

    # 4. Authenticity. 4.1.1: a complete chain of such certificates as the specification demands.
    check_chain(chain)
    passed.append("its chain of certificates is complete (step 4.1.1)")
    # 4.1.2: it leads to a trusted certificate, of the store that belongs to the scheme (signing-scheme.md).
    is_x509 = attributes.scheme == X509
    if not is_x509 and not policy.signing_authority_roots:
        raise trust.SIGNATURE_DEMANDS_TOO_MUCH.error("it is a signing authority's, and none is trusted (step 4.1.2)")
    anchor = _anchor(chain, policy.roots if is_x509 else policy.signing_authority_roots)
    passed.append(f"its chain leads to the trusted certificate {anchor} (step 4.1.2)")
    # 4.1.3 and 4.1.4: the leaf is the one identity that is trusted.
    _check_identity(leaf, identity)
    passed.append("it was made by the trusted identity (step 4.1.4)")

    # 5. Expiry.
    if attributes.expiry is not None and now >= attributes.expiry:
        raise trust.SIGNATURE_EXPIRED.error(f"it expired at {rfc3339(attributes.expiry)} (step 5.1)")
    passed.append("it has not expired (step 5.1)")

    # 6. Trusted timestamp: RFC 3161 timestamps are not evaluated, so the chain must be valid now. In its own scheme a
    # signing authority states the time.
    check_validity(chain, now if is_x509 else attributes.signing_time)
    passed.append("its certificates are valid (step 6.2)")

    # 7. Revocation: not evaluated. To revoke a root, remove its pin (docs/trust.md).
    # 8. Plugins: read_attributes has refused a signature that asks for one.
    # Workflow step 3.3.4: the signature is for this artifact. Read the payload only now, because its signer is known.
    _check_payload(read.payload, subject)
    return VerifiedSignature(
        algorithm=algorithm.name,
        leaf_subject=leaf.subject,
        leaf_fingerprint=leaf.fingerprint,
        anchor_fingerprint=anchor,
        signing_time=attributes.signing_time,
        expiry=attributes.expiry,
    )


def _refused_signer(leaf: Certificate, passed: Sequence[str]) -> RefusedSigner:
    # Anybody may have made this certificate, and its subject is shown in logs and terminals.
    subject = leaf.subject if leaf.subject.isprintable() else shown(leaf.subject)
    return RefusedSigner(subject=subject, fingerprint=leaf.fingerprint, passed=tuple(passed))


def _anchor(chain: Sequence[Certificate], trusted: frozenset[str]) -> str:
    """Return the fingerprint of the trusted certificate that is nearest to the leaf.

    Certificates are compared as a whole (notation-core-go, VerifyAuthenticity): a root that was issued again is another
    one. A leaf under an authority cannot be trusted directly: notation refuses it in a trust store, too.
    """
    for certificate in chain[1:] or chain:
        if certificate.fingerprint in trusted:
            return certificate.fingerprint
    found = ", ".join(certificate.fingerprint for certificate in chain[1:] or chain)
    raise trust.ROOT_NOT_TRUSTED.error(f"its certificates are {found} (step 4.1.2)")


def _check_identity(leaf: Certificate, trusted: Identity) -> None:
    if identity_of(leaf) != trusted:
        raise trust.SIGNER_NOT_TRUSTED.error(f"it was made by {shown(leaf.subject)} (step 4.1.4)")


def _check_payload(payload: bytes, subject: Subject) -> None:
    document = read_object(payload, "the payload", _PAYLOAD_STEP)
    refuse_lookalikes(document, ("targetArtifact",), "the payload", _PAYLOAD_STEP)
    if "targetArtifact" not in document:
        raise malformed("the payload has no targetArtifact", _PAYLOAD_STEP)
    signed = read_descriptor(document["targetArtifact"], "targetArtifact", _PAYLOAD_STEP)
    if signed != subject:
        what = f"{signed.digest}, {signed.size} bytes, {shown(signed.media_type)}"
        raise trust.SIGNATURE_OF_SOMETHING_ELSE.error(f"it covers {what} (step {_PAYLOAD_STEP})", target=subject.digest)
