"""The demo's container images. They are real: they are made of Debian packages' files, and skopeo pushes them.

A layer is the unchanged file tree of one package. Fifteen images share base layers. One is a multi-architecture index,
and one is a Docker schema 2 image.
"""

import gzip
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".tools" / "demo-packages"
LAYOUT = ROOT / ".tools" / "demo-images"
SKOPEO_ROOT = ROOT / ".tools" / "debian"
TAG = "1.0.0"
PUSHES_AT_ONCE = 4

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_BASE = ("busybox-static", "ca-certificates", "tzdata")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image: its short name, its own packages on top of the base, and the format of its pushed manifest."""

    name: str
    packages: tuple[str, ...]
    kind: str = "oci"


RECIPES = (
    Recipe("control-panel", ("bash", "coreutils", "curl")),
    Recipe("studio", ("bash", "coreutils", "git")),
    Recipe("airbyte-server", ("bash", "perl-base", "jq")),
    Recipe("airbyte-webapp", ("bash", "openssl")),
    Recipe("airbyte-worker", ("bash", "perl-base", "rsync", "sqlite3")),
    Recipe("airbyte-temporal", ("docker-registry",)),
    Recipe("api-service", ("bash", "coreutils", "openssl", "jq")),
    Recipe("api-gateway", ("openssl", "curl", "wget")),
    Recipe("scheduler", ("bash", "gawk", "less")),
    Recipe("alert-processor", ("perl-base", "jq")),
    Recipe("metering", ("sqlite3", "gawk", "xz-utils")),
    Recipe("planner-agent", ("git", "jq")),
    Recipe("reviewer-agent", ("git", "perl-base")),
    Recipe("trust-bundle", ("adduser", "netbase"), kind="index"),
    Recipe("image-mirror", ("skopeo",), kind="docker"),
)


def push_all(
    *, container_registry: str, username: str, password: str, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Push every demo image. Return the entries for `images` of the release definition. `size` is the manifest's."""
    make_layout()
    with _login(container_registry, username, password) as environment, ThreadPoolExecutor(PUSHES_AT_ONCE) as pool:

        def push(recipe: Recipe) -> dict[str, Any]:
            entry = _push(recipe, container_registry, environment)
            report(f"{entry['repository']}:{entry['tag']} {entry['digest'][:19]} ({recipe.kind})")
            return entry

        return list(pool.map(push, RECIPES))


def make_layout() -> None:
    """Make an OCI image layout of the images, if there is none yet of these recipes and packages."""
    stamp = hashlib.sha256(Path(__file__).read_bytes() + (PACKAGES / ".set-up").read_bytes()).hexdigest()
    marker = LAYOUT / ".made-from"
    if marker.is_file() and marker.read_text() == stamp:
        return
    (LAYOUT / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(_layer, sorted({package for recipe in RECIPES for package in (*_BASE, *recipe.packages)})))
    references = []
    for recipe in RECIPES:
        descriptor = _index(recipe) if recipe.kind == "index" else _image(recipe, "amd64", (*_BASE, *recipe.packages))
        references.append(descriptor | {"annotations": {"org.opencontainers.image.ref.name": recipe.name}})
    (LAYOUT / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (LAYOUT / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": references}))
    marker.write_text(stamp)


@cache
def _layer(package: str) -> tuple[dict[str, Any], str]:
    """Make a layer of a package's unchanged file tree. Return its descriptor and its diff id."""
    (deb,) = PACKAGES.glob(f"{package}_*.deb")
    tree = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], check=True, capture_output=True).stdout  # noqa: S603, S607
    descriptor = _blob(gzip.compress(tree, 6, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    return descriptor, f"sha256:{hashlib.sha256(tree).hexdigest()}"


def _image(recipe: Recipe, architecture: str, packages: tuple[str, ...]) -> dict[str, Any]:
    layers = [_layer(package) for package in packages]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/bin/busybox"], "Labels": {"org.opencontainers.image.title": recipe.name}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor for descriptor, _ in layers],
    }
    return _blob(json.dumps(manifest).encode(), _MANIFEST)


def _index(recipe: Recipe) -> dict[str, Any]:
    """Make an index of two architectures. The second has only packages that fit every architecture."""
    amd64 = _image(recipe, "amd64", (*_BASE, *recipe.packages))
    arm64 = _image(recipe, "arm64", ("ca-certificates", "tzdata", *recipe.packages))
    manifests = [
        descriptor | {"platform": {"os": "linux", "architecture": architecture}}
        for descriptor, architecture in ((amd64, "amd64"), (arm64, "arm64"))
    ]
    return _blob(json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}).encode(), _INDEX)


def _blob(content: bytes, media_type: str) -> dict[str, Any]:
    hexadecimal = hashlib.sha256(content).hexdigest()
    (LAYOUT / "blobs" / "sha256" / hexadecimal).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{hexadecimal}", "size": len(content)}


def _push(recipe: Recipe, container_registry: str, environment: dict[str, str]) -> dict[str, Any]:
    repository = f"vibedata/{recipe.name}"
    target = f"docker://{container_registry}/{repository}"
    with tempfile.NamedTemporaryFile(suffix=".digest") as digest_file:
        formats = ["--format", "v2s2"] if recipe.kind == "docker" else []
        source = f"oci:{LAYOUT}:{recipe.name}"
        _skopeo(environment, "copy", "--all", "--digestfile", digest_file.name, *formats, source, f"{target}:{TAG}")
        digest = Path(digest_file.name).read_text()
    manifest = _skopeo(environment, "inspect", "--raw", f"{target}@{digest}")
    return {"name": recipe.name, "repository": repository, "tag": TAG, "digest": digest, "size": len(manifest)}


@contextmanager
def _login(container_registry: str, username: str, password: str) -> Iterator[dict[str, str]]:
    """Yield an environment in which skopeo is logged in, by a temporary file. The password is never an argument."""
    libraries = next(SKOPEO_ROOT.glob("usr/lib/*-linux-gnu"))
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(libraries),
            "REGISTRY_AUTH_FILE": f"{folder}/auth.json",
            "XDG_RUNTIME_DIR": folder,
        }
        _skopeo(environment, "login", "-u", username, "--password-stdin", container_registry, stdin=password.encode())
        yield environment


def _skopeo(environment: dict[str, str], *arguments: str, stdin: bytes = b"") -> bytes:
    command = [str(SKOPEO_ROOT / "usr/bin/skopeo"), *arguments]
    if arguments[0] == "copy":
        command.insert(1, "--insecure-policy")
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"skopeo {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
