"""Small signed releases in the lab's container registries, pushed with plain `requests` and not with our code."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from tests.support import kept_connections
from tests.support.release_signer import ENVELOPE_TYPE, SIGNATURE_TYPE, ReleaseSigner, descriptor, usual_signer
from tests.support.running_lab import LabUnderTest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
RELEASE_TYPE = "application/vnd.vibedata.release-manifest.v1+json"
RELEASE_REPOSITORY = "vibedata/release-manifest"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def as_json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def artifact_of(
    digest: str, size: int, *, artifact_type: str = RELEASE_TYPE, media_type: str | None = None
) -> dict[str, Any]:
    """Return the OCI manifest of an artifact with one layer. `digest` and `size` are the layer's."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest_of(b"{}"), "size": 2},
        "layers": [{"mediaType": media_type or artifact_type, "digest": digest, "size": size}],
    }


def stored_parts(version: str, digest: str, content: bytes, *, signer: ReleaseSigner | None = None) -> dict[str, bytes]:
    """Return the blobs of a signed release in artifact storage, by name.

    digest: the digest of `content` in the signed artifact and in the blobs' names. A test may give a wrong one.
    """
    artifact = as_json(artifact_of(digest, len(content)))
    envelope = (signer or usual_signer()).envelope(descriptor(artifact))
    name = f"{version}/{digest.removeprefix('sha256:')}"
    return {f"{name}.json": content, f"{name}.oci.json": artifact, f"{name}.jws": envelope}


@dataclass(frozen=True, slots=True)
class ContainerRegistry:
    """One of the lab's container registries, used with full rights."""

    host: str
    auth: tuple[str, str]
    ca_file: str

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request to `/v2/<path>`."""
        url = path if path.startswith("https://") else f"https://{self.host}/v2/{path}"
        return kept_connections.request(method, url, auth=self.auth, verify=self.ca_file, **options)

    def push_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        upload = self.call("POST", f"{repository}/blobs/uploads/")
        assert upload.status_code == 202, upload.text
        location = requests.compat.urljoin(f"https://{self.host}/", upload.headers["Location"])
        answer = self.call("PUT", location, params={"digest": digest}, data=content)
        assert answer.status_code == 201, answer.text
        return digest

    def push_manifest(self, repository: str, reference: str, document: Mapping[str, Any]) -> str:
        content = as_json(document)
        answer = self.call(
            "PUT", f"{repository}/manifests/{reference}", data=content, headers={"Content-Type": document["mediaType"]}
        )
        assert answer.status_code == 201, answer.text
        return digest_of(content)

    def push_artifact(
        self,
        repository: str,
        tag: str,
        content: bytes,
        *,
        artifact_type: str = "application/vnd.example.test",
        media_type: str | None = None,
        layers: int = 1,
    ) -> str:
        """Push an artifact of `layers` equal layers of `content`, and return its digest."""
        self.push_blob(repository, b"{}")
        self.push_blob(repository, content)
        manifest = artifact_of(digest_of(content), len(content), artifact_type=artifact_type, media_type=media_type)
        return self.push_manifest(repository, tag, {**manifest, "layers": manifest["layers"] * layers})

    def push_signature(
        self, repository: str, subject: Mapping[str, Any], envelope: bytes, *, media_type: str = ENVELOPE_TYPE
    ) -> str:
        """Push an envelope as a signature that refers to `subject`, a descriptor, and return the signature's digest."""
        self.push_blob(repository, b"{}")
        layer = {"mediaType": media_type, "digest": self.push_blob(repository, envelope), "size": len(envelope)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": SIGNATURE_TYPE,
            "config": {"mediaType": EMPTY_TYPE, "digest": digest_of(b"{}"), "size": 2},
            "layers": [layer],
            "subject": subject,
        }
        return self.push_manifest(repository, digest_of(as_json(manifest)), manifest)

    def sign(self, repository: str, digest: str, signer: ReleaseSigner) -> str:
        """Sign a manifest that is there, and return the signature's digest."""
        subject = descriptor(self.manifest(repository, digest))
        return self.push_signature(repository, subject, signer.envelope(subject))

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """Return the descriptors of the manifests that refer to a manifest."""
        answer = self.call("GET", f"{repository}/referrers/{digest}")
        assert answer.status_code == 200, answer.text
        listed: list[dict[str, Any]] = answer.json()["manifests"]
        return listed

    def manifest(self, repository: str, reference: str) -> bytes:
        """Return a manifest's bytes."""
        answer = self.call(
            "GET", f"{repository}/manifests/{reference}", headers={"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.content

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest that a tag points to, None if there is no such tag."""
        answer = self.call("HEAD", f"{repository}/manifests/{tag}", headers={"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"})
        assert answer.status_code in (200, 404), answer.status_code
        return answer.headers["Docker-Content-Digest"] if answer.status_code == 200 else None


def container_registry(lab: LabUnderTest, side: str) -> ContainerRegistry:
    """Return the lab's container registry of a side, publisher or customer."""
    prefix = f"VIBEDATA_{side.upper()}_REGISTRY"
    return ContainerRegistry(
        lab.env[prefix],
        (lab.env[f"{prefix}_USERNAME"], lab.env[f"{prefix}_PASSWORD"]),
        lab.env["REQUESTS_CA_BUNDLE"],
    )


# A manifest with every field. No content has its digests.
DOCUMENT: Mapping[str, Any] = {
    "schema_version": 1,
    "version": "2026.11.0",
    "channel": "stable",
    "created_at": "2026-11-01T00:00:00Z",
    "expires_at": "2027-11-01T00:00:00Z",
    "images": [],
    "runbooks": [
        {
            "name": "import_images",
            "repository": "vibedata/runbooks/import_images",
            "tag": "2026.11.0",
            "digest": "sha256:" + "1" * 64,
            "script_sha256": "2" * 64,
            "mandatory": True,
        }
    ],
    "python_packages": {
        "repository": "vibedata/python-packages",
        "tag": "2026.11.0",
        "digest": "sha256:" + "3" * 64,
    },
    "components": [],
    "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
}


def document(**fields: Any) -> dict[str, Any]:
    """Return a release manifest's JSON document. `fields` replace the fields of DOCUMENT."""
    return copy.deepcopy({**DOCUMENT, **fields})


def push_release_manifest(
    publisher: ContainerRegistry, content: bytes, *tags: str, signer: ReleaseSigner | None = None
) -> str:
    """Push `content` as a signed release manifest under `tags` (default: latest) and return the artifact's digest.

    signer: the signer (default: the usual one).
    """
    digest = push_unsigned(publisher, content, *tags)
    publisher.sign(RELEASE_REPOSITORY, digest, signer or usual_signer())
    return digest


def push_unsigned(publisher: ContainerRegistry, content: bytes, *tags: str) -> str:
    """Push a release manifest as `push_release_manifest` does, but without a signature."""
    digests = {
        publisher.push_artifact(RELEASE_REPOSITORY, tag, content, artifact_type=RELEASE_TYPE)
        for tag in tags or ("latest",)
    }
    (digest,) = digests
    return digest


def push_images(publisher: ContainerRegistry, count: int, *, version: str = "1") -> list[dict[str, Any]]:
    """Push `count` small images, each in a repository of its own, and return their entries for a release manifest."""
    entries = []
    for number in range(count):
        repository, content = f"vibedata/app-{number}", f"image {number} of {version}".encode()
        digest = publisher.push_artifact(repository, version, content)
        entries.append(
            {"name": f"app-{number}", "repository": repository, "tag": version, "digest": digest, "size": len(content)}
        )
    return entries


def release_of(publisher: ContainerRegistry, images: int, **fields: Any) -> dict[str, Any]:
    """Push images, a runbook's artifact and a package set, and return the manifest's document that pins them."""
    made = document(**fields)
    made["images"] = push_images(publisher, images, version=made["version"])
    for pin in (*made["runbooks"], made["python_packages"]):
        pin["tag"] = made["version"]
        pin["digest"] = publisher.push_artifact(
            pin["repository"], pin["tag"], f"{pin['repository']} {made['version']}".encode()
        )
    return made
