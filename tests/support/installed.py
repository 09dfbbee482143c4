"""A release of small runbooks and packages in the state that the import runbooks leave, made over the wire."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from oci.packages.combined_wheel import write_combined_wheel
from oci.packages.facts import facts_of
from oci.packages.package_lock import LockedPackage
from oci.packages.wheels import LockedWheel
from runbook_lib.automation.account import environment_of
from tests.support import automation as automation_helpers
from tests.support import release_maker
from tests.support.automation import Automation, wheel
from tests.support.release_maker import EMPTY_TYPE, OCI_MANIFEST, ContainerRegistry, as_json, digest_of, document
from tests.support.running_lab import LabUnderTest

RUNBOOK_TYPE = "application/vnd.vibedata.runbook.v1+python"
# The first type has only single wheels, as in older releases. The second has a combined wheel as its first layer.
SINGLE_PACKAGES_TYPE = "application/vnd.vibedata.python-packages.v1"
PACKAGES_TYPE = "application/vnd.vibedata.python-packages.v2"
COMBINED_WHEEL_TYPE = "application/vnd.vibedata.combined-wheel.v1"
SBOM_TYPE = "application/vnd.cyclonedx+json"
DOCUMENT_TYPES = {"sbom": SBOM_TYPE, "provenance": "application/vnd.in-toto+json"}
TITLE = "org.opencontainers.image.title"
VERSION = "2026.11.0"
Wheels = Sequence[tuple[str, bytes]]


def sha256_of(content: bytes) -> str:
    return digest_of(content).removeprefix("sha256:")


def wheels(*names: str, version: str = "1.0") -> Wheels:
    """Return wheels of one module each."""
    return [wheel(name, {f"{name}.py": f"VERSION = {version!r}\n"}, version=version) for name in names]


def combined(packages: Wheels, folder: Path) -> tuple[str, bytes]:
    """Return the wheel that `vibedata build` makes of these wheels. folder: an empty folder for the files."""
    locked = []
    for name, content in packages:
        (folder / name).write_bytes(content)
        package = LockedPackage(name.partition("-")[0], name.split("-")[1], sha256_of(content))
        locked.append(LockedWheel(package, folder / name))
    path = write_combined_wheel(locked, facts_of(locked), folder)
    return path.name, path.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installed release. document: its manifest; environment: its packages' runtime environment."""

    document: Mapping[str, Any]
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer's side of the lab, with full rights."""

    lab: LabUnderTest
    container_registry: ContainerRegistry
    blobs: BlobServiceClient
    automation: Automation

    def install(
        self,
        scripts: Mapping[str, str],
        packages: Wheels,
        *,
        version: str = VERSION,
        documents: Mapping[str, bytes] = {},
        optional: Collection[str] = (),
        one_wheel: tuple[str, bytes] | None = None,
    ) -> Installed:
        """Put a release into the customer's container registry and artifact storage.

        one_wheel: the combined wheel of the packages; an older release has none. documents: by name, `sbom` or
        `provenance`. optional: the runbooks that the release does not need.
        """
        repository = "vibedata/python-packages"
        if one_wheel is None:
            listing = self.push(repository, version, SINGLE_PACKAGES_TYPE, packages)
        else:
            files = [one_wheel, *packages]
            listing = self.push(repository, version, PACKAGES_TYPE, files, first_kind=COMBINED_WHEEL_TYPE)
        runbooks = [
            {
                "name": name,
                "repository": f"vibedata/runbooks/{name}",
                "tag": version,
                "digest": self.push(
                    f"vibedata/runbooks/{name}", version, RUNBOOK_TYPE, [(f"{name}.py", text.encode())]
                ),
                "script_sha256": digest_of(text.encode()).removeprefix("sha256:"),
                "mandatory": name not in optional,
            }
            for name, text in scripts.items()
        ]
        packages_pin = {"repository": "vibedata/python-packages", "tag": version, "digest": listing}
        made = document(version=version, runbooks=runbooks, python_packages=packages_pin)
        if documents:
            made["documents"] = [self._document(name, content, version) for name, content in documents.items()]
        self.put_manifest(made)
        return Installed(document=made, environment=environment_of(listing))

    def _document(self, name: str, content: bytes, version: str) -> Mapping[str, Any]:
        repository, media_type = f"vibedata/{name}", DOCUMENT_TYPES[name]
        digest = self.push(repository, version, media_type, [(f"{name}.json", content)])
        return {"name": name, "media_type": media_type, "repository": repository, "tag": version, "digest": digest}

    def put_manifest(self, made: Mapping[str, Any]) -> None:
        """Make a release manifest the installed one."""
        content = as_json(made)
        release_maker.push_release_manifest(self.container_registry, content, made["version"], "latest")
        for name, part in release_maker.stored_parts(made["version"], digest_of(content), content).items():
            self.blobs.get_blob_client("release-manifests", name).upload_blob(part)

    def push(self, repository: str, tag: str, kind: str, files: Wheels, *, first_kind: str = "") -> str:
        """Push an artifact with a layer for each file, and return its digest.

        kind: the type of the artifact and of its layers. first_kind: the type of the first layer, if it is another.
        """
        registry = self.container_registry
        registry.push_blob(repository, b"{}")
        layers = [
            {
                "mediaType": kind if number else first_kind or kind,
                "digest": registry.push_blob(repository, content),
                "size": len(content),
                "annotations": {TITLE: name},
            }
            for number, (name, content) in enumerate(files)
        ]
        config = {"mediaType": EMPTY_TYPE, "digest": digest_of(b"{}"), "size": 2}
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": config}
        return registry.push_manifest(repository, tag, {**manifest, "layers": layers})

    def artifacts(self) -> dict[str, bytes]:
        """Return the blobs of container `artifacts`, by name."""
        container = self.blobs.get_container_client("artifacts")
        return {name: container.download_blob(name).readall() for name in container.list_blob_names()}

    def published(self, name: str) -> tuple[str, str | None, str]:
        """Return a runbook's state, runtime environment and published text."""
        client, at = self.automation.client, self.automation.at
        properties = client.runbook.get(*at, name).properties
        assert properties is not None
        text = client.runbook.get_content(*at, name)
        return automation_helpers.text_of(properties.state), properties.runtime_environment, text

    def packages(self, environment: str) -> dict[str, tuple[str, str | None]]:
        """Return each package's state and version."""
        listed = self.automation.client.package.list_by_runtime_environment(*self.automation.at, environment)
        return {
            str(package.name): (automation_helpers.state(package), package.properties.version)
            for package in listed
            if package.properties is not None
        }


@contextmanager
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    """Open the clients."""
    with (
        automation_helpers.automation(lab) as automation,
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs,
    ):
        yield Customer(
            lab=lab,
            container_registry=release_maker.container_registry(lab, "customer"),
            blobs=blobs,
            automation=automation,
        )
