"""What the container registry tests share: a plain OCI client, small images, skopeo, and managed identity tokens."""

import base64
import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from lab.machine import tools
from tests.support import kept_connections
from tests.support.running_lab import LabUnderTest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
ALL = "repository:{0}:pull,push,delete,metadata_read"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def descriptor(content: bytes, media_type: str, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest's bytes, and the blobs and children that it names."""

    body: bytes
    media_type: str
    blobs: tuple[bytes, ...] = ()
    children: "tuple[Image, ...]" = ()

    @property
    def digest(self) -> str:
        return digest_of(self.body)

    @property
    def descriptor(self) -> dict[str, Any]:
        return descriptor(self.body, self.media_type)


def layer(content: bytes) -> bytes:
    """Return a layer that skopeo does not compress again."""
    return gzip.compress(content, mtime=0)


def image(*layers: bytes, artifact_type: str | None = None, subject: Image | None = None) -> Image:
    """Return an OCI image of the given layers, or an artifact with an empty configuration."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    config_type = CONFIG
    content: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST}
    if artifact_type is not None:
        config, config_type, content["artifactType"] = b"{}", EMPTY, artifact_type
    content |= {"config": descriptor(config, config_type), "layers": [descriptor(one, LAYER) for one in layers]}
    if subject is not None:
        content["subject"] = subject.descriptor
    return Image(json.dumps(content).encode(), MANIFEST, (config, *layers))


def index(*children: Image) -> Image:
    """Return an OCI index."""
    content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child.descriptor for child in children]}
    return Image(json.dumps(content).encode(), INDEX, (), children)


@dataclass(frozen=True, slots=True)
class Registry:
    """One container registry of the lab and one user of it. The user asks once for the access token of each scope."""

    lab: LabUnderTest
    host: str
    username: str
    password: str = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def token(self, *scopes: str) -> str:
        answer = kept_connections.request(
            "GET",
            f"https://{self.host}/oauth2/token",
            params={"service": self.host, "scope": list(scopes)},
            auth=(self.username, self.password),
            verify=self.lab.env["REQUESTS_CA_BUNDLE"],
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def send(
        self, method: str, path: str, *, scope: str = "", headers: Mapping[str, str] | None = None, **sent: Any
    ) -> requests.Response:
        """Send a request below /v2/ or /acr/ with a token for `scope` (default: every right on the repository)."""
        repository = path.rsplit("/v2/", maxsplit=1)[-1].rsplit("/acr/v1/", maxsplit=1)[-1]
        for part in ("/manifests/", "/blobs/", "/tags/", "/referrers/", "/_"):
            repository = repository.partition(part)[0]
        scope = scope or ALL.format(repository)
        if scope not in self.tokens:
            self.tokens[scope] = self.token(scope)
        every = {"Authorization": f"Bearer {self.tokens[scope]}", **(headers or {})}
        verify = self.lab.env["REQUESTS_CA_BUNDLE"]
        return kept_connections.request(method, f"https://{self.host}{path}", headers=every, verify=verify, **sent)

    def push(self, repository: str, pushed: Image, *tags: str) -> str:
        """Push an image with everything that it names and return its digest.

        It does not send a blob that the registry has, like every good client.
        """
        for child in pushed.children:
            self.push(repository, child)
        for blob in pushed.blobs:
            if self.send("HEAD", f"/v2/{repository}/blobs/{digest_of(blob)}").status_code == 200:
                continue
            start = self.send("POST", f"/v2/{repository}/blobs/uploads/")
            assert start.status_code == 202, start.text
            location = start.headers["Location"]
            separator = "&" if "?" in location else "?"
            done = self.send("PUT", f"{location}{separator}digest={digest_of(blob)}", data=blob)
            assert done.status_code == 201, done.text
        for reference in tags or (pushed.digest,):
            answer = self.put_manifest(repository, reference, pushed)
            assert answer.status_code == 201, answer.text
            assert answer.headers["Docker-Content-Digest"] == pushed.digest
        return pushed.digest

    def put_manifest(self, repository: str, reference: str, pushed: Image) -> requests.Response:
        path = f"/v2/{repository}/manifests/{reference}"
        return self.send("PUT", path, data=pushed.body, headers={"Content-Type": pushed.media_type})

    def manifest(self, repository: str, reference: str) -> requests.Response:
        return self.send("GET", f"/v2/{repository}/manifests/{reference}")

    def digest(self, repository: str, reference: str) -> str | None:
        answer = self.send("HEAD", f"/v2/{repository}/manifests/{reference}")
        assert answer.status_code in (200, 404)
        return answer.headers.get("Docker-Content-Digest")


def publisher(lab: LabUnderTest) -> Registry:
    return _engineer(lab, "PUBLISHER")


def customer(lab: LabUnderTest) -> Registry:
    return _engineer(lab, "CUSTOMER")


def _engineer(lab: LabUnderTest, which: str) -> Registry:
    prefix = f"VIBEDATA_{which}_REGISTRY"
    return Registry(lab, lab.env[prefix], lab.env[f"{prefix}_USERNAME"], lab.env[f"{prefix}_PASSWORD"])


def scoped_token(lab: LabUnderTest) -> Registry:
    """Return the publisher's container registry, used with the customer's repository-scoped token."""
    names = lab.control("GET", "/names")
    host = lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    return Registry(lab, host, names["publisher_token_username"], names["publisher_token_password"])


def identity_token(lab: LabUnderTest, resource: str = "https://management.azure.com/") -> str:
    """Return a token of vibedata-uami."""
    query = {"resource": resource, "client_id": lab.env["VIBEDATA_UAMI_CLIENT_ID"]}
    headers = {"X-IDENTITY-HEADER": lab.env["IDENTITY_HEADER"]}
    answer = kept_connections.request("GET", lab.env["IDENTITY_ENDPOINT"], params=query, headers=headers)
    token: str = answer.json()["access_token"]
    return token


def refresh_token(lab: LabUnderTest, host: str) -> str:
    """Exchange vibedata-uami's token for a refresh token of the container registry."""
    form = {
        "grant_type": "access_token",
        "service": host,
        "access_token": identity_token(lab, "https://containerregistry.azure.net"),
    }
    url, verify = f"https://{host}/oauth2/exchange", lab.env["REQUESTS_CA_BUNDLE"]
    answer = kept_connections.request("POST", url, data=form, verify=verify)
    answer.raise_for_status()
    token: str = answer.json()["refresh_token"]
    return token


def make_layout(directory: Path, images: Mapping[str, Image]) -> Path:
    """Write images as an OCI image layout, which skopeo reads."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def write(one: Image) -> None:
        for content in (one.body, *one.blobs):
            (blobs / digest_of(content).removeprefix("sha256:")).write_bytes(content)
        for child in one.children:
            write(child)

    manifests = []
    for name, one in images.items():
        write(one)
        manifests.append(one.descriptor | {"annotations": {"org.opencontainers.image.ref.name": name}})
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return directory


def skopeo(lab: LabUnderTest, home: Path, *arguments: str, login: Sequence[Registry] = ()) -> str:
    """Run skopeo, logged in to the given container registries, and return what it prints."""
    home.mkdir(exist_ok=True)
    auths = {one.host: {"auth": base64.b64encode(f"{one.username}:{one.password}".encode()).decode()} for one in login}
    file = home / "auth.json"
    file.write_text(json.dumps({"auths": auths}))
    tool = tools.skopeo()
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    environ = {name: value for name, value in {**os.environ, **tool.environ}.items() if name in kept}
    environ |= {"HOME": str(home), "REGISTRY_AUTH_FILE": str(file), "SSL_CERT_FILE": lab.env["SSL_CERT_FILE"]}
    command = [*tool.command, "--insecure-policy", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
