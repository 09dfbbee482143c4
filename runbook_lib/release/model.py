"""The parts of a release, pinned by digest (docs/design.md#the-release-manifest)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# The repository of release manifests in both container registries.
MANIFEST_REPOSITORY = "vibedata/release-manifest"
# The tag that moves there. The publisher's tag leads to the newest release, the customer's tag to the installed one.
LATEST = "latest"
# Containers in the customer's storage account: of release manifests, and of the files that they pin.
MANIFEST_CONTAINER = "release-manifests"
ARTIFACT_CONTAINER = "artifacts"

ComponentType = Literal["application", "infrastructure", "agent", "runbook"]
DocumentName = Literal["sbom", "provenance"]
HealthKind = Literal["http", "arm", "tcp", "none"]
# The possible states of a component's health, in every table and report.
HealthState = Literal["unknown", "healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A tag of a repository, and the digest that it must have."""

    repository: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePin(Pin):
    """A container image. `size` is that of the whole image in bytes, only for display."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookPin(Pin):
    """A runbook's artifact. `script_sha256` is that of its only file. A `mandatory` runbook is always needed."""

    name: str
    script_sha256: str
    mandatory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPin(Pin):
    """A document about the release. `media_type` is that of its artifact and of the artifact's only layer."""

    name: DocumentName
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """How a component's health is probed. `path` is for an http probe. `timeout_seconds` limits one probe."""

    kind: HealthKind = "none"
    path: str | None = None
    expected_status: int | None = None
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of the product. `artifact` names the image or runbook that it runs, None for infrastructure."""

    name: str
    type: ComponentType
    version: str
    artifact: str | None
    resource_type: str | None
    resource_name: str | None
    depends_on: tuple[str, ...]
    health: HealthProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRetryPolicies:
    """The policy for all network calls of all runbooks: `max_retries` retries, `delay_seconds` apart."""

    max_retries: int
    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseManifest:
    """One release. Only `runbook_lib.release.manifest.parse` makes it, after all checks that need no customer."""

    version: str
    channel: str
    created_at: datetime
    expires_at: datetime
    images: tuple[ImagePin, ...]
    runbooks: tuple[RunbookPin, ...]
    python_packages: Pin
    documents: tuple[DocumentPin, ...]
    components: tuple[Component, ...]
    network_retry_policies: NetworkRetryPolicies

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Everything that the release pins by digest: images, runbooks, the package set, documents."""
        return (*self.images, *self.runbooks, self.python_packages, *self.documents)


@dataclass(frozen=True, slots=True, order=True)
class ReleaseId:
    """The identity of a release, offered or installed: its version, and the digest of its release manifest's JSON."""

    version: str
    digest: str


def version_key(version: str) -> tuple[int, ...]:
    """Return a key to compare versions, so that `2026.9.0` is older than `2026.11.0`."""
    return tuple(int(part) for part in version.split("."))
