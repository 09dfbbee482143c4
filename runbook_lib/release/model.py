"""What a release is: everything that it consists of, pinned by digest (docs/design.md#the-release-manifest)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# Where release manifests are, in both container registries.
MANIFEST_REPOSITORY = "vibedata/release-manifest"
# The tag there that moves: at the publisher's to the newest release, at the customer's to the installed one.
LATEST = "latest"

ComponentType = Literal["application", "infrastructure", "agent", "runbook"]
DocumentName = Literal["sbom", "provenance"]
HealthKind = Literal["http", "arm", "tcp", "none"]
# What is known of a component's health, in every table and report.
HealthState = Literal["unknown", "healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A tag of a repository, and the digest that it must have."""

    repository: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePin(Pin):
    """A container image. size: bytes of the whole image, for display."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookPin(Pin):
    """A runbook's artifact. script_sha256: of the one file in it. mandatory: the release cannot do without it."""

    name: str
    script_sha256: str
    mandatory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPin(Pin):
    """A document about the release. media_type: of its artifact, and of the one layer in it."""

    name: DocumentName
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """How a component's health is probed. path: of an http probe; timeout_seconds: of one probe."""

    kind: HealthKind = "none"
    path: str | None = None
    expected_status: int | None = None
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of the product. artifact: name of the image or runbook that it runs, None for plain infrastructure."""

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
    """What every network call of every runbook obeys: `max_retries` retries, `delay_seconds` apart."""

    max_retries: int
    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseManifest:
    """One release. `runbook_lib.release.manifest.parse` makes it, and only after every check that needs no customer."""

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
    """Which release it is, offered or installed: its version, and the digest of its release manifest's JSON."""

    version: str
    digest: str


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are compared by, so that `2026.9.0` is older than `2026.11.0`."""
    return tuple(int(part) for part in version.split("."))
