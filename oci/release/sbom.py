"""Make a CycloneDX document of a release's runbooks and locked packages. Pure.

It has NTIA's minimum elements ("The Minimum Elements For a Software Bill of Materials", 2021): every component's
supplier, name, version, identifiers and dependencies, the document's author and time, and licences and tools. The same
release gives the same bytes: the time is the release's, the serial number comes from the content, and nothing comes
from the machine.
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
# The tool that makes the document. Its version goes up when the same release would give another document.
TOOL, TOOL_VERSION = "vibedata-build", "2"
# The namespace of the serial numbers, which come from the content (RFC 9562, version 5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vibedata:sbom")


def sbom(
    *,
    version: str,
    created_at: datetime,
    packages: Sequence[LockedPackage],
    runbooks: Sequence[BuiltRunbook],
    facts: Mapping[str, PackageFacts] = types.MappingProxyType({}),
) -> bytes:
    """Return the document as canonical JSON.

    `created_at` is the release's time, aware. `facts` has the facts about each package, by its name.
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
    # The library gives each document a random number. Replace it by one that comes from the content.
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


def _tool() -> Component:
    supplier = OrganizationalEntity(name=SUPPLIER)
    return Component(type=ComponentType.APPLICATION, name=TOOL, version=TOOL_VERSION, supplier=supplier)


def _licence(text: str) -> License:
    """Return a licence as its maker declares it: an SPDX id or expression, or else a name."""
    return LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)
