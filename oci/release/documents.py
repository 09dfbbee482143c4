"""Add the documents about a release. Each is an artifact with one layer in its own repository."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from oci.layout.writer import LayoutWriter
from oci.packages.facts import PackageFacts
from oci.packages.package_lock import LockedPackage
from oci.release import definition as release
from oci.release import provenance, sbom
from oci.release.definition import BuiltDocument, BuiltRunbook, ReleaseDefinition
from oci.release.provenance import Source


def add_documents(
    writer: LayoutWriter,
    definition: ReleaseDefinition,
    *,
    created_at: datetime,
    source: Source,
    packages: Sequence[LockedPackage],
    facts: Mapping[str, PackageFacts],
    runbooks: Sequence[BuiltRunbook],
    packages_digest: str,
) -> list[BuiltDocument]:
    """Add the SBOM and the provenance of the build, and return them.

    Args:
        writer: Writes the layout.
        definition: The release definition.
        created_at: The release's time.
        source: The sources of the release.
        packages: The locked packages.
        facts: The facts about each package, by its name.
        runbooks: The built runbooks.
        packages_digest: The digest of the package set's artifact.
    """
    version = definition.version
    artifacts = [(release.runbook_repository(runbook.name), runbook.digest) for runbook in runbooks]
    bill = sbom.sbom(
        version=version,
        created_at=created_at,
        packages=packages,
        runbooks=runbooks,
        facts=facts,
    )
    statement = provenance.provenance(
        version=version,
        channel=definition.channel,
        source=source,
        artifacts=[*artifacts, (release.PACKAGES_REPOSITORY, packages_digest)],
    )
    made = (
        ("sbom", sbom.MEDIA_TYPE, release.SBOM_REPOSITORY, bill),
        ("provenance", provenance.MEDIA_TYPE, release.PROVENANCE_REPOSITORY, statement),
    )
    documents = []
    for name, media_type, repository, content in made:
        layer = writer.add_bytes(content, media_type=media_type, title=f"{name}.json")
        artifact = writer.add_artifact(repository=repository, tag=version, artifact_type=media_type, layers=[layer])
        document = BuiltDocument(name=name, media_type=media_type, repository=repository, digest=artifact.digest)
        documents.append(document)
    return documents
