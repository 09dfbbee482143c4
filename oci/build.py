"""Build a release: bundles, package set, release manifest, in one OCI image layout (docs/design.md#artifacts)."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from oci.bundling.bundle import Bundle, bundle
from oci.bundling.closure import check_available
from oci.bundling.source_tree import (
    LOCK_FILE,
    Commit,
    commit_of,
    read_files,
    release_time,
    runbook_names,
    sources_of,
)
from oci.deployment_script import script
from oci.deployment_script.other_pythons import locked_cffi
from oci.deployment_script.script import ScriptWheel
from oci.files.writing import replaced_folder, writing
from oci.layout.writer import Descriptor, LayoutWriter, canonical
from oci.packages import package_lock
from oci.packages import wheels as packages
from oci.packages.combined_wheel import write_combined_wheel
from oci.packages.facts import PackageFacts, facts_of
from oci.packages.wheels import LockedWheel
from oci.release import definition as release
from oci.release.definition import BuiltRunbook, ReleaseDefinition
from oci.release.documents import add_documents
from oci.release.provenance import Source
from oci.signing import notary
from oci.signing.notary import Signing
from runbook_lib.basics.digest import digest_from_hex, hex_of
from runbook_lib.errors import build as build_errors
from runbook_lib.release.artifacts import COMBINED_WHEEL_TYPE, PACKAGES_TYPE
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import MANIFEST_REPOSITORY

# Everything that a build puts into its folder. A folder with anything else is not a former build.
CONTENT = frozenset({"oci-layout", "index.json", "blobs", "runbooks", script.FOLDER})
# Every build writes these. The folder `runbooks` tells a build from an image layout of another tool.
ALWAYS = frozenset({"oci-layout", "runbooks"})
# Below the project's root, with everything else that set-up downloads.
WHEEL_CACHE = Path(".tools/wheels")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A build's result.

    Attributes:
        folder: The folder that holds the release.
        manifest_digest: The digest of the release manifest's artifact.
        artifacts: The digest of each `repository:tag`.
        sizes: The size in bytes of each runbook's file, by the runbook's name.
        packages: The number of packages.
        expires_at: When the release expires.
        signature: The digest of the signature's manifest, "" for an unsigned release.
    """

    version: str
    folder: Path
    commit: Commit
    manifest_digest: str
    expires_at: datetime
    signature: str
    artifacts: Mapping[str, str]
    sizes: Mapping[str, int]
    packages: int


def build(
    definition: bytes,
    *,
    root: Path,
    out: Path,
    wheel_cache: Path,
    environ: Mapping[str, str],
    on_step: Callable[[str], None],
    signing: Signing | None = None,
) -> BuildResult:
    """Build a release into the folder `out`. The folder is replaced as a whole at the end, or does not change.

    The sources, their commit, the definition and SOURCE_DATE_EPOCH decide everything except the signature.

    Args:
        definition: The bytes of release.json.
        root: The source tree.
        out: The folder of the build.
        wheel_cache: The folder that keeps downloaded wheels for later builds.
        environ: The environment variables. SOURCE_DATE_EPOCH replaces the commit's time.
        on_step: Gets the name of each step.
        signing: Signs the release manifest. If it is None, the release is not signed, and nobody accepts it.

    Raises:
        RunbookError: VD-BUILD-*, and the errors of oci.signing.notary.sign.
        UnwritableError: The folder cannot be written.
    """
    with writing("the release", out):
        _check_replaceable(out)
    wanted = release.parse_definition(definition)
    created_at = release_time(root, environ)
    on_step("bundling runbooks")
    files = read_files(root)
    sources = sources_of(files)
    bundles = [bundle(name, sources=sources, version=wanted.version) for name in runbook_names(sources)]
    lock = files[LOCK_FILE]
    locked = package_lock.parse(lock.decode("ascii", errors="replace"))
    # Use the canonical form of the definition, so that the layout of its text does not matter.
    source = Source(commit=commit_of(root, files), definition=canonical(asdict(wanted)), lock=lock)
    on_step(f"collecting {len(locked)} packages")
    wheels = packages.collect(locked, cache=wheel_cache)
    others = {
        python: packages.collect([package], cache=wheel_cache, python=python)[0]
        for python, package in locked_cffi(locked).items()
    }
    packaged = packages.modules_of(wheels)
    for built in bundles:
        check_available(built.name, built.foreign, packaged=packaged)
    facts = facts_of(wheels)
    on_step("writing the layout")
    with replaced_folder(out, what="the release") as partial:
        writer = LayoutWriter(folder=partial)
        artifacts = [_add_runbook(writer, built, wanted.version) for built in bundles]
        package_set, combined = _add_packages(writer, wheels, facts, wanted.version)
        packages_digest = package_set.digest
        documents = add_documents(
            writer,
            wanted,
            created_at=created_at,
            source=source,
            packages=locked,
            facts=facts,
            runbooks=artifacts,
            packages_digest=packages_digest,
        )
        manifest = release.manifest_of(
            wanted,
            created_at=created_at,
            runbooks=artifacts,
            packages_digest=packages_digest,
            documents=documents,
        )
        release_manifest = _add_manifest(writer, manifest, wanted)
        if signing is not None:
            on_step("signing the release manifest")
        signature = "" if signing is None else _add_signature(writer, release_manifest, signing).digest
        writer.finish()
        _write_runbooks(partial / "runbooks", bundles)
        chain = next(built for built in bundles if built.name == script.RUNBOOK)
        _write_script(
            partial,
            lambda wheels: script.deployment_script(chain, version=wanted.version, wheels=wheels, sources=sources),
            combined,
            others,
        )
    return BuildResult(
        version=wanted.version,
        folder=out,
        commit=source.commit,
        manifest_digest=release_manifest.digest,
        expires_at=parse(manifest).expires_at,
        signature=signature,
        artifacts={
            **{f"{release.runbook_repository(runbook.name)}:{wanted.version}": runbook.digest for runbook in artifacts},
            f"{release.PACKAGES_REPOSITORY}:{wanted.version}": packages_digest,
            **{f"{document.repository}:{wanted.version}": document.digest for document in documents},
            f"{MANIFEST_REPOSITORY}:{wanted.version}": release_manifest.digest,
        },
        sizes={built.name: len(built.content) for built in bundles},
        packages=len(wheels),
    )


def _add_runbook(writer: LayoutWriter, built: Bundle, version: str) -> BuiltRunbook:
    media_type = release.RUNBOOK_MEDIA_TYPE
    script = writer.add_bytes(built.content, media_type=media_type, title=f"{built.name}.py")
    artifact = writer.add_artifact(
        repository=release.runbook_repository(built.name), tag=version, artifact_type=media_type, layers=[script]
    )
    return BuiltRunbook(name=built.name, digest=artifact.digest, script_sha256=hex_of(script.digest))


def _add_packages(
    writer: LayoutWriter, wheels: Sequence[LockedWheel], facts: Mapping[str, PackageFacts], version: str
) -> tuple[Descriptor, ScriptWheel]:
    """Add the package set: first the combined wheel, then one layer for each wheel, in the order of their names.

    Return the set, and the facts about the combined wheel that the deployment script needs.
    """
    media_type = PACKAGES_TYPE
    layers = [writer.add_file(wheel.path, media_type=media_type, title=wheel.path.name) for wheel in wheels]
    for wheel, layer in zip(wheels, layers, strict=True):
        # Compare the copied bytes, too: somebody may have changed the file after its first check.
        if layer.digest != digest_from_hex(wheel.package.sha256):
            raise build_errors.WHEEL_NOT_LOCKED.error("it was changed while it was copied", target=wheel.package.name)
    with TemporaryDirectory() as folder:
        path = write_combined_wheel(wheels, facts, Path(folder))
        combined = writer.add_file(path, media_type=COMBINED_WHEEL_TYPE, title=path.name)
    added = writer.add_artifact(
        repository=release.PACKAGES_REPOSITORY, tag=version, artifact_type=media_type, layers=[combined, *layers]
    )
    return added, ScriptWheel(name=path.name, sha256=hex_of(combined.digest), size=combined.size)


def _add_manifest(writer: LayoutWriter, manifest: bytes, definition: ReleaseDefinition) -> Descriptor:
    media_type = release.MANIFEST_MEDIA_TYPE
    layer = writer.add_bytes(manifest, media_type=media_type, title="release-manifest.json")
    return writer.add_artifact(
        repository=MANIFEST_REPOSITORY, tag=definition.version, artifact_type=media_type, layers=[layer]
    )


def _add_signature(writer: LayoutWriter, signed: Descriptor, signing: Signing) -> Descriptor:
    signature = notary.sign(signed, signing)
    return writer.add_referrer(
        signature.manifest,
        artifact_type=notary.ARTIFACT_TYPE,
        layers={notary.ENVELOPE_MEDIA_TYPE: signature.envelope},
    )


def _write_runbooks(folder: Path, bundles: Sequence[Bundle]) -> None:
    folder.mkdir()
    for built in bundles:
        (folder / f"{built.name}.py").write_bytes(built.content)


def _write_script(
    folder: Path,
    make: Callable[[Sequence[ScriptWheel]], bytes],
    combined: ScriptWheel,
    others: Mapping[tuple[int, int], LockedWheel],
) -> None:
    """Write the deployment script, and its wheels beside it. `make` returns the script for these wheels."""
    own = folder / script.FOLDER
    own.mkdir()
    shutil.copyfile(folder / "blobs" / "sha256" / combined.sha256, own / combined.name)
    wheels = [combined]
    for (major, minor), wheel in others.items():
        shutil.copyfile(wheel.path, own / wheel.path.name)
        size = wheel.path.stat().st_size
        wheels.append(
            ScriptWheel(name=wheel.path.name, sha256=wheel.package.sha256, size=size, python=f"{major}.{minor}")
        )
    (own / script.NAME).write_bytes(make(wheels))


def _check_replaceable(out: Path) -> None:
    """Refuse to replace a folder that is not an earlier build. Raises RunbookError VD-BUILD-007."""
    if not out.exists():
        return
    if not out.is_dir():
        raise build_errors.OUTPUT_FOLDER_TAKEN.error("it is not a folder", target=str(out))
    held = {path.name for path in out.iterdir()}
    if held and not ALWAYS <= held <= CONTENT:
        other = min(held - CONTENT, default="") or f"no {min(ALWAYS - held)}"
        raise build_errors.OUTPUT_FOLDER_TAKEN.error(f"it holds {other}", target=str(out))
