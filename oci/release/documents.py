"""The documents about a release, each an artifact of one layer in a repository of its own."""

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

    created_at: the release's; facts: what is known of each package, by its name; packages_digest: of the package set's
    artifact.
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
