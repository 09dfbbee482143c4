"""Check a release: who signed it, what its manifest says, and whether everything that it pins is there.

Each check needs the one before it. So the first that fails is the last, and its error says why.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from oci import push
from oci.layout import reader as layout_reader
from oci.layout.reader import Artifact
from oci.layout.writer import MANIFEST_MEDIA_TYPE
from oci.release.built import BuiltRelease, read_release
from runbook_lib.basics.clock import rfc3339
from runbook_lib.container_registry.reader import ContainerRegistryReader, Manifest
from runbook_lib.errors import RunbookError, build, release
from runbook_lib.release.fetch import MAX_ARTIFACT_BYTES, fetch_release, read_artifact
from runbook_lib.release.model import MANIFEST_REPOSITORY, Pin, ReleaseManifest
from runbook_lib.release.verification import verify_release
from runbook_lib.trust.certificates import read_chain
from runbook_lib.trust.envelope import JWS, read_envelope
from runbook_lib.trust.good_signature import GoodSignature, first_good_signature
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature

# Lookups at the same time, far below a container registry's limit (docs/azure-facts.md#importing-images).
LOOKUPS_AT_ONCE = 8
# The largest manifest that container registries accept.
MAX_PINNED_BYTES = 4 * 1024 * 1024
# How many missing artifacts an error names.
MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A release artifact whose signature is good. `envelope` are the signature's bytes."""

    digest: str
    artifact: bytes = field(repr=False)
    envelope: bytes = field(repr=False)
    verified: VerifiedSignature


class ReleasePlace(Protocol):
    """A place that holds a release. Each method raises RunbookError if the requested thing is absent or bad.

    `compared` says in words which parts of the pinned artifacts `has` compares with their digests.
    """

    compared: str

    def artifact(self) -> Manifest:
        """Return the release artifact, which is not verified yet."""

    def signed(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> Signed:
        """Return the release artifact, verified by the first good signature."""

    def manifest(self, signed: Signed) -> ReleaseManifest:
        """Return the release manifest in it, after all checks of form and consistency."""

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return the pins that this place must hold."""

    def has(self, pin: Pin) -> bool:
        """Return whether the pinned artifact is here. Its compared parts have their digests."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """The result. `checks` has the name and the result of each check that passed. `error` is that of the failed one.

    `certificate` is that of the good signature, or of the only one, which was refused.
    """

    checks: list[tuple[str, str]] = field(default_factory=list)
    digest: str = ""
    version: str = ""
    certificate: Mapping[str, str] = field(default_factory=dict)
    error: RunbookError | None = None
    failed: str = ""


def check(place: ReleasePlace, policy: TrustPolicy, now: datetime) -> Findings:
    """Check the release at `place`. `now` is aware. A refusal is in the findings, and is not raised."""
    findings = Findings()
    try:
        _check(place, policy, now, findings)
    except RunbookError as error:
        findings.error = error
    return findings


def _check(place: ReleasePlace, policy: TrustPolicy, now: datetime, findings: Findings) -> None:
    def passed(name: str, words: str) -> None:
        findings.checks.append((name, words))

    findings.failed = "signature"
    artifact = place.artifact()
    findings.digest = artifact.digest
    try:
        signed = place.signed(artifact, policy, now)
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
    manifest = place.manifest(signed)
    findings.version = manifest.version
    passed("release manifest", f"version {manifest.version}, channel {manifest.channel}")
    findings.failed = "expiry"
    if now >= manifest.expires_at:
        raise release.RELEASE_EXPIRED.error(f"it expired at {rfc3339(manifest.expires_at)}", target=manifest.version)
    passed("expiry", f"may be installed until {rfc3339(manifest.expires_at)}")
    findings.failed = "content"
    pins = place.pins(manifest)
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as lookups:
        missing = [pin for pin, there in zip(pins, lookups.map(place.has, pins), strict=True) if not there]
    if missing:
        named = ", ".join(f"{pin.repository}@{pin.digest}" for pin in missing[:MAX_NAMED])
        raise build.PINNED_ARTIFACT_MISSING.error(f"{len(missing)} of {len(pins)} are missing: {named}")
    passed("content", f"all {len(pins)} pinned artifacts are there; verified by digest: {place.compared}")
    findings.failed = ""


def certificate_of(signed: Signed) -> dict[str, str]:
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

    def artifact(self) -> Manifest:
        """Return the release artifact. See ReleasePlace."""
        artifact = self._reader.manifest(MANIFEST_REPOSITORY, self._reference, MAX_ARTIFACT_BYTES)
        if artifact is None:
            raise release.NO_SUCH_RELEASE.error(target=f"{MANIFEST_REPOSITORY} {self._reference}")
        return artifact

    def signed(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> Signed:
        """Return the release artifact, verified. See ReleasePlace."""
        found = verify_release(self._reader, artifact, policy, now)
        return Signed(digest=found.digest, artifact=found.content, envelope=found.envelope, verified=found.verified)

    def manifest(self, signed: Signed) -> ReleaseManifest:
        """Return the release manifest. See ReleasePlace."""
        target = f"{MANIFEST_REPOSITORY}@{signed.digest}"
        return fetch_release(self._reader, read_artifact(signed.artifact, digest=signed.digest, target=target)).manifest

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return all pins. See ReleasePlace."""
        self._reader.expect(pin.repository for pin in manifest.pins)
        return manifest.pins

    def has(self, pin: Pin) -> bool:
        """Return whether it is here. See ReleasePlace. Raises RunbookError VD-REGISTRY-005 if other bytes are."""
        return self._reader.manifest(pin.repository, pin.digest, MAX_PINNED_BYTES) is not None


class BuiltReleaseFolder:
    """A release in the folder of a build. Every byte is compared with its digest. Images are not in the folder."""

    compared = "every byte; images were not looked for"

    def __init__(self, folder: Path) -> None:
        """Read it. Raises RunbookError VD-PUSH-001 (no complete build), VD-MANIFEST-*."""
        self._folder = folder
        self._built = read_release(folder)
        self._there = {(artifact.repository, artifact.digest) for artifact in self._built.artifacts}

    @property
    def content(self) -> str:
        """The digest of the release manifest itself."""
        return self._built.content

    def artifact(self) -> Manifest:
        """Return the release artifact. See ReleasePlace."""
        return Manifest(self._built.signed.digest, self._built.signed.manifest)

    def believed(self, policy: TrustPolicy, now: datetime) -> BuiltRelease:
        """Return the release with only its good signatures. Anybody may have made the others."""
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

    def signed(self, artifact: Manifest, policy: TrustPolicy, now: datetime) -> Signed:
        """Return the release artifact, verified. See ReleasePlace."""
        if not self._built.signatures:
            raise build.RELEASE_NOT_SIGNED.error(target=self._built.manifest.version)
        good = self._first_good(self._built.signatures, policy, now)
        return Signed(digest=artifact.digest, artifact=artifact.content, envelope=good.envelope, verified=good.verified)

    def _first_good(self, signatures: Sequence[Artifact], policy: TrustPolicy, now: datetime) -> GoodSignature:
        signed = self._built.signed
        return first_good_signature(
            [push.descriptor_of(signature).as_json() for signature in signatures],
            source=_LayoutBlobs(self._folder),
            subject=Subject(media_type=MANIFEST_MEDIA_TYPE, digest=signed.digest, size=len(signed.manifest)),
            policy=policy,
            now=now,
        )

    def manifest(self, signed: Signed) -> ReleaseManifest:  # noqa: ARG002 - the protocol's
        """Return the release manifest. See ReleasePlace."""
        return self._built.manifest

    def pins(self, manifest: ReleaseManifest) -> Sequence[Pin]:
        """Return all pins except the images. See ReleasePlace."""
        return (*manifest.runbooks, manifest.python_packages, *manifest.documents)

    def has(self, pin: Pin) -> bool:
        """Return whether it is here. See ReleasePlace."""
        return (pin.repository, pin.digest) in self._there


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
