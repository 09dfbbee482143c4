"""Find one good signature in the list of an artifact's referrers. Pure, except for the caller's SignatureSource.

signing-and-verification-workflow.md, "OCI artifact verification workflow", steps 2 and 3. The rules:

1. Anybody who may write to the repository may attach signatures. So a bad or unsupported one counts as absent, and the
   first good one decides.
2. A signature that cannot be retrieved does not block a good one. Otherwise one broken referrer could deny service
   (notation fails there). If no signature is good and one could not be retrieved, the answer is "not known", and a
   rerun may help.
3. At most MAX_SIGNATURES are tried.
4. All bytes are checked against the digest and the size that named them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import RunbookError, trust
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor, malformed, read_descriptor, read_object, shown
from runbook_lib.trust.manifest import (
    ARTIFACT_TYPE,
    MAX_SIGNATURE_MANIFEST_BYTES,
    read_signature_manifest,
)
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature, verify_envelope

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
# As notation's own default.
MAX_SIGNATURES = 100
# A message shows at most this number of refusals, and this number of characters of each.
MAX_REFUSALS_SHOWN, MAX_REFUSAL_LENGTH = 5, 160

_LIST_STEP = "2 of the workflow"
_FETCH_STEP = "3.1 of the workflow"


class SignatureSource(Protocol):
    """Where signatures are: the repository of the artifact, or a copy of it.

    Both methods return None if the source says that there is no such thing, and raise RunbookError if nobody can know.
    They need not check the bytes.
    """

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the manifest of that digest."""
        ...

    def blob(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the blob of that digest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodSignature:
    """A good signature with the bytes of its manifest, their digest (`sha256:<hex>`), and the bytes of its envelope."""

    verified: VerifiedSignature
    manifest_digest: str
    manifest: bytes = field(repr=False)
    envelope: bytes = field(repr=False)


def read_referrers(content: bytes) -> tuple[Any, ...]:
    """Return the entries of one page of the referrers API, or of the index that stands in for it.

    The caller must limit the content's size. Raises RunbookError VD-TRUST-014, because an unreadable list may hold a
    signature.
    """
    try:
        document = read_object(content, "the list of referrers", _LIST_STEP)
    except RunbookError as error:
        raise trust.SIGNATURES_UNKNOWN.error(error.detail) from error
    entries = document.get("manifests")
    if not isinstance(entries, list):
        raise trust.SIGNATURES_UNKNOWN.error(f"the list of referrers is no index (step {_LIST_STEP})")
    return tuple(entries)


def first_good_signature(
    entries: Sequence[Any], *, source: SignatureSource, subject: Subject, policy: TrustPolicy, now: datetime
) -> GoodSignature:
    """Return the first good signature over `subject`.

    `entries` are those of `read_referrers` for all pages. `now` is aware.

    Raises RunbookError VD-TRUST-001 (there is no signature), -013 (there are several, and none is good), -014 (none is
    good, and not all could be retrieved), -012 (the policy is not usable). If there is one signature, it raises that
    signature's own failure, of `verify_envelope` or of `source`.
    """
    failures: list[tuple[str, RunbookError]] = []
    listed = list(_signatures(entries))
    for digest, entry in listed[:MAX_SIGNATURES]:
        if isinstance(entry, RunbookError):
            failures.append((digest, entry))
            continue
        try:
            return _verify(entry, source=source, subject=subject, policy=policy, now=now)
        except RunbookError as error:
            if error.is_(trust.TRUSTED_IDENTITY_UNREADABLE):
                raise
            failures.append((digest, error))
    if not failures:
        raise trust.NO_SIGNATURE.error(f"of {len(entries)} referrers none is a signature", target=subject.digest)
    if len(listed) == 1:
        raise failures[0][1]
    raise _none_is_good(failures, len(listed), subject)


def _signatures(entries: Sequence[Any]) -> Iterator[tuple[str, Descriptor | RunbookError]]:
    """Yield the entries of the type of signatures, in their order, each with its digest for messages.

    For an entry that is not a descriptor, this yields its refusal. Every other entry comes once. The same digest with
    another size or type is another entry: otherwise a wrong entry could hide a good signature.
    """
    seen: set[Descriptor] = set()
    for entry in entries:
        # Media types are compared without case (RFC 6838, 4.2).
        if not isinstance(entry, dict) or str(entry.get("artifactType")).lower() != ARTIFACT_TYPE:
            continue
        digest = shown(entry.get("digest"))
        try:
            listed = read_descriptor(entry, "the entry in the list of referrers", _LIST_STEP)
        except RunbookError as error:
            yield digest, error
            continue
        if listed not in seen:
            seen.add(listed)
            yield digest, listed


def _verify(
    listed: Descriptor, *, source: SignatureSource, subject: Subject, policy: TrustPolicy, now: datetime
) -> GoodSignature:
    if listed.media_type.lower() != MANIFEST_TYPE:
        raise malformed(f"the signature manifest is listed as {shown(listed.media_type)}", _LIST_STEP)
    if listed.size > MAX_SIGNATURE_MANIFEST_BYTES:
        raise malformed(f"the signature manifest has {listed.size} bytes", _LIST_STEP)
    content = _checked(source.manifest(listed.digest, listed.size), listed)
    manifest = read_signature_manifest(content)
    if manifest.subject != subject:
        what = f"its manifest is attached to {manifest.subject.digest} (step {_FETCH_STEP})"
        raise trust.SIGNATURE_OF_SOMETHING_ELSE.error(what, target=subject.digest)
    envelope = _checked(source.blob(manifest.envelope.digest, manifest.envelope.size), manifest.envelope)
    verified = verify_envelope(envelope, manifest.envelope.media_type, subject=subject, policy=policy, now=now)
    return GoodSignature(
        verified=verified,
        manifest_digest=listed.digest,
        manifest=content,
        envelope=envelope,
    )


def _checked(content: bytes | None, named: Descriptor) -> bytes:
    """Return the bytes. They must have the named digest and size."""
    if content is None:
        raise trust.SIGNATURES_UNKNOWN.error(f"it is listed, but not there (step {_FETCH_STEP})", target=named.digest)
    if len(content) != named.size or digest_of(content) != named.digest:
        what = f"other bytes came than were named, {len(content)} of them for {named.size} (step {_FETCH_STEP})"
        raise trust.SIGNATURE_ALTERED.error(what, target=named.digest)
    return content


def _none_is_good(failures: Sequence[tuple[str, RunbookError]], count: int, subject: Subject) -> RunbookError:
    # Show first the signatures that make the answer "not known", then those that passed the most steps: among many bad
    # ones, the publisher's own is probably one of these.
    ordered = sorted(failures, key=lambda failure: (_is_verdict(failure[1]), -_steps_passed(failure[1])))
    told = [f"{digest} {error.code} {error.message}"[:MAX_REFUSAL_LENGTH] for digest, error in ordered]
    if count > MAX_REFUSALS_SHOWN:
        told = [*told[:MAX_REFUSALS_SHOWN], f"and {count - MAX_REFUSALS_SHOWN} more, at most {MAX_SIGNATURES} tried"]
    entry = trust.NO_GOOD_SIGNATURE if all(_is_verdict(error) for _, error in failures) else trust.SIGNATURES_UNKNOWN
    refusal = entry.error("; ".join(told), target=subject.digest)
    refusal.signers = tuple(signer for _, error in ordered for signer in error.signers)[:MAX_REFUSALS_SHOWN]
    return refusal


def _is_verdict(error: RunbookError) -> bool:
    """Whether a signature was read and refused. Otherwise nobody knows whether it is good."""
    return error.area == trust.AREA and not error.is_(trust.SIGNATURES_UNKNOWN)


def _steps_passed(error: RunbookError) -> int:
    return max((len(signer.passed) for signer in error.signers), default=0)
