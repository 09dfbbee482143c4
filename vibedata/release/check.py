"""Check a release: who signed it, what its manifest says, and whether everything that it pins is there.

Each check needs the one before it. So the checks end at the first failure, and its error gives the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from oci.layout import reader as layout_reader
from oci.layout.reader import Artifact
from oci.layout.writer import MANIFEST_MEDIA_TYPE
from oci.release.built import BuiltRelease, read_built_release
from runbook_lib.basics.clock import rfc3339
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import RunbookError, build, release
from runbook_lib.release.artifacts import MAX_WHEEL_BYTES, ArtifactBlob
from runbook_lib.release.fetch import place_name, resolve_release
from runbook_lib.release.hop import ReleasePlace, SignedArtifact, read_release
from runbook_lib.release.model import Pin, ReleaseManifest
from runbook_lib.release.verification import verify_release
from runbook_lib.trust.certificates import read_chain
from runbook_lib.trust.envelope import JWS, read_envelope
from runbook_lib.trust.good_signature import GoodSignature, first_good_signature
from runbook_lib.trust.signature import Subject, TrustPolicy
from runbook_lib.workers import side_by_side

# Lookups at the same time, far below a container registry's limit (docs/azure-facts.md#importing-images).
LOOKUPS_AT_ONCE = 8
# The largest manifest that container registries accept.
MAX_PINNED_BYTES = 4 * 1024 * 1024
# How many missing artifacts an error names.
MAX_NAMED = 5


class CheckedPlace(Protocol):
    """The place of a release that is to be checked.

    Each method raises RunbookError if the wanted thing is missing or bad.

    Attributes:
        compared: The parts of the pinned artifacts whose digests `has` compares, in words.
    """

    compared: str

    def resolve(self) -> ReleasePlace:
        """Return the release artifact's place. Nothing about it is verified yet."""

    def verify(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> SignedArtifact:
        """Return the release artifact, verified by the first good signature."""

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return the pins that this place must hold."""

    def has(self, pin: Pin) -> bool:
        """Return whether the pinned artifact is here. Then its compared parts have the right digests."""

    def manifest(self, pin: Pin) -> bytes | None:
        """Return the manifest of a pinned artifact, None if there is none. Its bytes have the pinned digest."""

    def save(self, pin: Pin, blob: ArtifactBlob, file: BinaryIO) -> bool:
        """Write a file of a pinned artifact to `file` and compare its digest. Return False if there is no such file."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """The result. `checks` has the name and the result of each check that passed. `error` is from the failed check.

    `certificate` belongs to the good signature, or to the only signature if it was refused.
    """

    checks: list[tuple[str, str]] = field(default_factory=list)
    digest: str = ""
    version: str = ""
    certificate: Mapping[str, str] = field(default_factory=dict)
    error: RunbookError | None = None
    failed: str = ""


def check(place: CheckedPlace, policy: TrustPolicy, now: datetime) -> Findings:
    """Check the release at `place`. `now` is aware. A refusal is in the findings, and is not raised."""
    findings = Findings()
    try:
        _check(place, policy, now, findings)
    except RunbookError as error:
        findings.error = error
    return findings


def _check(place: CheckedPlace, policy: TrustPolicy, now: datetime, findings: Findings) -> None:
    def passed(name: str, words: str) -> None:
        findings.checks.append((name, words))

    def verify(artifact: Manifest) -> SignedArtifact:
        findings.digest = artifact.digest
        try:
            signed = place.verify(artifact, policy, now)
        except RunbookError as error:
            if len(error.signers) == 1:
                (signer,) = error.signers
                findings.certificate = {"subject": signer.subject, "fingerprint": signer.fingerprint}
                findings.checks += [("signature", words) for words in signer.passed]
            raise
        verified = signed.verified
        findings.certificate = certificate_of(signed)
        passed("signature", f"{verified.algorithm}, by {verified.leaf_subject}, over {signed.digest}")
        passed("trust", f"its chain leads to the trusted certificate {verified.anchor_fingerprint}")
        findings.failed = "release manifest"
        return signed

    findings.failed = "signature"
    manifest = read_release(place.resolve(), verify).manifest
    findings.version = manifest.version
    passed("release manifest", f"version {manifest.version}, channel {manifest.channel}")
    findings.failed = "expiry"
    if now >= manifest.expires_at:
        raise release.RELEASE_EXPIRED.error(f"it expired at {rfc3339(manifest.expires_at)}", target=manifest.version)
    passed("expiry", f"may be installed until {rfc3339(manifest.expires_at)}")
    findings.failed = "content"
    count = require_content(place, manifest)
    passed("content", f"all {count} pinned artifacts are there; verified by digest: {place.compared}")
    findings.failed = ""


def require_content(place: CheckedPlace, manifest: ReleaseManifest) -> int:
    """Return how many pinned artifacts a place must hold. Raises RunbookError if one of them is missing."""
    pins = place.pins(manifest)
    found = side_by_side(place.has, pins, at_once=LOOKUPS_AT_ONCE)
    missing = [pin for pin, there in zip(pins, found, strict=True) if not there]
    if missing:
        named = ", ".join(f"{pin.repository}@{pin.digest}" for pin in missing[:MAX_NAMED])
        raise build.PINNED_ARTIFACT_MISSING.error(f"{len(missing)} of {len(pins)} are missing: {named}")
    return len(pins)


def certificate_of(signed: SignedArtifact) -> dict[str, str]:
    """Return the signing certificate's data for people."""
    leaf = read_chain(read_envelope(signed.envelope, JWS).chain)[0]
    return {
        "subject": leaf.subject,
        "fingerprint": leaf.fingerprint,
        "valid_from": rfc3339(leaf.begin),
        "valid_until": rfc3339(leaf.end),
        "anchor": signed.verified.anchor_fingerprint,
        "algorithm": signed.verified.algorithm,
        "signing_time": rfc3339(signed.verified.signing_time),
    }


class ContainerRegistryRelease:
    """A release in a container registry. `reference` is a tag or a digest."""

    compared = "the manifest of each; layers were not read"

    def __init__(self, *, reader: ContainerRegistryReader, reference: str) -> None:
        self._reader = reader
        self._reference = reference

    def resolve(self) -> ReleasePlace:
        """Return the release artifact's place. See CheckedPlace."""
        place = resolve_release(self._reader, self._reference)
        if place is None:
            raise release.NO_SUCH_RELEASE.error(target=place_name(self._reference))
        return place

    def verify(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> SignedArtifact:
        """Return the release artifact, verified. See CheckedPlace."""
        return verify_release(self._reader, artifact, policy, now)

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return all. See CheckedPlace."""
        self._reader.expect(pin.repository for pin in manifest.pins)
        return manifest.pins

    def has(self, pin: Pin) -> bool:
        """Return whether it is here. See CheckedPlace. Raises RunbookError VD-REGISTRY-005 for other bytes."""
        return self.manifest(pin) is not None

    def manifest(self, pin: Pin) -> bytes | None:
        """Return the manifest of a pinned artifact. See CheckedPlace."""
        found = self._reader.manifest(pin.repository, pin.digest, MAX_PINNED_BYTES)
        return None if found is None else found.content

    def save(self, pin: Pin, blob: ArtifactBlob, file: BinaryIO) -> bool:
        """Write a file of a pinned artifact. See CheckedPlace."""
        return self._reader.save(pin.repository, blob.digest, MAX_WHEEL_BYTES if blob.size is None else blob.size, file)


class BuiltReleaseFolder:
    """A release in the folder of a build. Every byte is compared with its digest. Images are not in the folder."""

    compared = "every byte; images were not looked for"

    def __init__(self, folder: Path) -> None:
        """Read it. Raises RunbookError VD-PUSH-001 (no complete build), VD-MANIFEST-*."""
        self._folder = folder
        self._built = read_built_release(folder)
        self._there = {(artifact.repository, artifact.digest) for artifact in self._built.artifacts}

    def resolve(self) -> ReleasePlace:
        """Return the release artifact's place. See CheckedPlace."""
        return self._built.place

    def believed(self, policy: TrustPolicy, now: datetime) -> BuiltRelease:
        """Return the release with only its good signatures. Anybody may have made the other signatures."""
        return replace(
            self._built,
            signatures=tuple(each for each in self._built.signatures if self._is_good(each, policy, now)),
        )

    def _is_good(self, signature: Artifact, policy: TrustPolicy, now: datetime) -> bool:
        try:
            self._first_good((signature,), policy, now)
        except RunbookError:
            return False
        return True

    def verify(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> SignedArtifact:
        """Return the release artifact, verified. See CheckedPlace."""
        if not self._built.signatures:
            raise build.RELEASE_NOT_SIGNED.error(target=self._built.manifest.version)
        good = self._first_good(self._built.signatures, policy, now)
        return SignedArtifact(
            artifact=artifact, signature_digest=good.manifest_digest, envelope=good.envelope, verified=good.verified
        )

    def _first_good(self, signatures: Sequence[Artifact], policy: TrustPolicy, now: datetime) -> GoodSignature:
        signed = self._built.signed
        return first_good_signature(
            [signature.descriptor.as_json() for signature in signatures],
            source=_LayoutBlobs(self._folder),
            subject=Subject(media_type=MANIFEST_MEDIA_TYPE, digest=signed.digest, size=len(signed.manifest)),
            policy=policy,
            now=now,
        )

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return all pins except the images. See CheckedPlace."""
        return (*manifest.runbooks, manifest.python_packages, *manifest.documents)

    def has(self, pin: Pin) -> bool:
        """Return whether it is here. See CheckedPlace."""
        return (pin.repository, pin.digest) in self._there

    def manifest(self, pin: Pin) -> bytes | None:
        """Return the manifest of a pinned artifact. See CheckedPlace."""
        found = (each.manifest for each in self._built.artifacts if each.digest == pin.digest)
        return next(found, None)

    def save(self, pin: Pin, blob: ArtifactBlob, file: BinaryIO) -> bool:  # noqa: ARG002 - see CheckedPlace
        """Write a file of a pinned artifact. See CheckedPlace."""
        file.write(layout_reader.blob_of(self._folder, blob.digest, max_bytes=MAX_WHEEL_BYTES))
        return True


class _LayoutBlobs:
    """The blobs of a layout, as a source of signatures (runbook_lib.trust.good_signature.SignatureSource)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the manifest of that digest."""
        return self.blob(digest, max_bytes)

    def blob(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the blob of that digest."""
        return layout_reader.blob_of(self._folder, digest, max_bytes=max_bytes)
