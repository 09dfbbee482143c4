"""What a release's runbooks consist of, as a CycloneDX document: the locked packages and the runbooks. Pure.

The same release gives the same bytes: its time is the release's, its serial number is derived from its content, and
nothing of the machine is in it.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from oci.layout import canonical, digest_of
from oci.package_lock import LockedPackage
from oci.release import BuiltRunbook

MEDIA_TYPE = "application/vnd.cyclonedx+json"
SUPPLIER = "Vibedata"
PRODUCT = "vibedata-runbooks"
# For serial numbers, which are names of contents (RFC 9562, version 5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vibedata:sbom")


def sbom(
    *, version: str, created_at: datetime, packages: Sequence[LockedPackage], runbooks: Sequence[BuiltRunbook]
) -> bytes:
    """Return the document, as canonical JSON. created_at: the release's, aware."""
    release = Component(
        type=ComponentType.APPLICATION,
        name=PRODUCT,
        version=version,
        bom_ref=BomRef(f"release:{version}"),
        supplier=OrganizationalEntity(name=SUPPLIER),
    )
    parts = [*map(_runbook, runbooks), *map(_package, packages)]
    bom = Bom(components=parts, metadata=BomMetaData(component=release, timestamp=created_at))
    # Every runbook runs with the whole package set.
    bom.register_dependency(release, parts)
    for runbook in parts[: len(runbooks)]:
        bom.register_dependency(runbook, parts[len(runbooks) :])
    # The library gives each document a random number; ours is the same for the same content.
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"]
    return canonical(document | {"serialNumber": uuid.uuid5(NAMESPACE, digest_of(canonical(document))).urn})


def _package(package: LockedPackage) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=BomRef(url.to_string()),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
    )


def _runbook(runbook: BuiltRunbook) -> Component:
    return Component(
        type=ComponentType.FILE,
        name=f"{runbook.name}.py",
        bom_ref=BomRef(f"runbook:{runbook.name}"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=runbook.script_sha256)],
    )
