"""What a release's runbooks consist of, as a CycloneDX document: the locked packages and the runbooks. Pure.

It has NTIA's minimum elements ("The Minimum Elements For a Software Bill of Materials", 2021): of every component its
supplier, name, version, identifiers and what it depends on; of the document its author and time; licences and tools.

The same release gives the same bytes: its time is the release's, its serial number is derived from its content, and
nothing of the machine is in it.
"""

import json
import types
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from oci.layout.writer import canonical
from oci.packages.facts import PackageFacts
from oci.packages.package_lock import LockedPackage
from oci.release.definition import BuiltRunbook
from runbook_lib.basics.digest import digest_of

MEDIA_TYPE = "application/vnd.cyclonedx+json"
SUPPLIER = "Vibedata"
PRODUCT = "vibedata-runbooks"
# A name, not an SPDX id: the runbooks are part of a commercial product.
OWN_LICENCE = "Vibedata commercial terms"
# What makes the document; the number goes up when the same release would give another one.
TOOL, TOOL_VERSION = "vibedata-build", "2"
# For serial numbers, which are names of contents (RFC 9562, version 5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vibedata:sbom")


def sbom(
    *,
    version: str,
    created_at: datetime,
    packages: Sequence[LockedPackage],
    runbooks: Sequence[BuiltRunbook],
    facts: Mapping[str, PackageFacts] = types.MappingProxyType({}),
) -> bytes:
    """Return the document, as canonical JSON.

    created_at: the release's, aware; facts: what is known of each package, by its name.
    """
    vendor = OrganizationalEntity(name=SUPPLIER)
    release = Component(
        type=ComponentType.APPLICATION,
        name=PRODUCT,
        version=version,
        bom_ref=BomRef(f"release:{version}"),
        supplier=vendor,
        licenses=[_licence(OWN_LICENCE)],
    )
    files = [_runbook(runbook, version) for runbook in runbooks]
    libraries = {package.name: _package(package, facts.get(package.name)) for package in packages}
    metadata = BomMetaData(
        component=release,
        timestamp=created_at,
        supplier=vendor,
        authors=[OrganizationalContact(name=SUPPLIER)],
        lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
        tools=ToolRepository(components=[_tool()]),
    )
    bom = Bom(components=[*files, *libraries.values()], metadata=metadata)
    # Every runbook runs with the whole package set.
    bom.register_dependency(release, [*files, *libraries.values()])
    for file in files:
        bom.register_dependency(file, libraries.values())
    for name, library in libraries.items():
        needs = facts[name].needs if name in facts else ()
        bom.register_dependency(library, [libraries[need] for need in needs if need in libraries])
    # The library gives each document a random number; ours is the same for the same content.
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"]
    return canonical(document | {"serialNumber": uuid.uuid5(NAMESPACE, digest_of(canonical(document))).urn})


def _package(package: LockedPackage, facts: PackageFacts | None) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    component = Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=BomRef(url.to_string()),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
    )
    if facts is not None:
        component.supplier = OrganizationalEntity(name=facts.supplier)
        component.authors = [
            OrganizationalContact(name=name or None, email=mail or None) for name, mail in facts.authors
        ]
        component.licenses = [_licence(facts.licence)]
    return component


def _runbook(runbook: BuiltRunbook, version: str) -> Component:
    return Component(
        type=ComponentType.FILE,
        name=f"{runbook.name}.py",
        version=version,
        bom_ref=BomRef(f"runbook:{runbook.name}"),
        supplier=OrganizationalEntity(name=SUPPLIER),
        licenses=[_licence(OWN_LICENCE)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=runbook.script_sha256)],
    )


def _contact(name: str, address: str) -> OrganizationalContact:
    return OrganizationalContact(name=name or None, email=address or None)


def _tool() -> Component:
    supplier = OrganizationalEntity(name=SUPPLIER)
    return Component(type=ComponentType.APPLICATION, name=TOOL, version=TOOL_VERSION, supplier=supplier)


def _licence(text: str) -> License:
    """As its maker declares it: an SPDX id or expression where it is one, else a name."""
    return LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)
