"""The documents about a release: valid by their own formats, complete, and the same for the same release."""

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import Parse
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from oci.bundling.source_tree import Commit
from oci.packages.facts import PackageFacts
from oci.packages.package_lock import LockedPackage
from oci.release import provenance, sbom
from oci.release.definition import BuiltRunbook
from oci.release.provenance import Source

CREATED = datetime(2026, 11, 1, 10, 0, tzinfo=timezone.utc)
PACKAGES = [LockedPackage("azure-core", "1.41.0", "a" * 64), LockedPackage("cryptography", "50.0.2", "b" * 64)]
RUNBOOKS = [
    BuiltRunbook(name=name, digest=f"sha256:{number:064x}", script_sha256=f"{number + 10:064x}")
    for number, name in enumerate(("import_images", "import_manifest"))
]
COMMIT = "c" * 40
CLEAN = Commit(COMMIT, changed=False)


def bill(version: str = "2026.11.0", packages: list[LockedPackage] = PACKAGES) -> bytes:
    return sbom.sbom(version=version, created_at=CREATED, packages=packages, runbooks=RUNBOOKS)


def statement(commit: Commit = CLEAN) -> dict[str, Any]:
    source = Source(commit=commit, definition=b"{}", lock=b"lock")
    artifacts = [(runbook.name, runbook.digest) for runbook in RUNBOOKS]
    content = provenance.provenance(version="2026.11.0", channel="stable", source=source, artifacts=artifacts)
    made: dict[str, Any] = json.loads(content)
    return made


def test_the_bill_of_materials_is_valid_and_whole() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill().decode()) is None
    document = json.loads(bill())
    hashes = {part["name"]: part["hashes"] for part in document["components"]}
    assert hashes == {
        **{package.name: [{"alg": "SHA-256", "content": package.sha256}] for package in PACKAGES},
        **{f"{runbook.name}.py": [{"alg": "SHA-256", "content": runbook.script_sha256}] for runbook in RUNBOOKS},
    }
    urls = {part.get("purl") for part in document["components"]} - {None}
    assert urls == {"pkg:pypi/azure-core@1.41.0", "pkg:pypi/cryptography@50.0.2"}
    assert document["metadata"]["timestamp"] == "2026-11-01T10:00:00+00:00"
    assert document["metadata"]["component"]["version"] == "2026.11.0"
    uses = {entry["ref"]: set(entry.get("dependsOn", [])) for entry in document["dependencies"]}
    assert uses["runbook:import_images"] == urls
    assert uses["release:2026.11.0"] == urls | {"runbook:import_images", "runbook:import_manifest"}


FACTS = {
    "azure-core": PackageFacts(
        licence="MIT", supplier="Microsoft Corporation", authors=(("Microsoft Corporation", "a@example.org"),)
    ),
    "cryptography": PackageFacts(
        licence="Apache-2.0 OR BSD-3-Clause", supplier="The PyCA", authors=(("", ""),), needs=("azure-core", "absent")
    ),
}


def test_the_bill_of_materials_has_the_minimum_elements() -> None:
    content = sbom.sbom(version="2026.11.0", created_at=CREATED, packages=PACKAGES, runbooks=RUNBOOKS, facts=FACTS)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
    document = json.loads(content)
    metadata = document["metadata"]
    assert metadata["authors"] == [{"name": "Vibedata"}]
    assert metadata["supplier"] == {"name": "Vibedata"}
    assert [tool["name"] for tool in metadata["tools"]["components"]] == ["vibedata-build"]
    for part in (*document["components"], metadata["component"]):
        assert part["supplier"]["name"] and part["name"] and part["version"] and part["licenses"] and part["bom-ref"]
    licences = {part["name"]: part["licenses"][0] for part in document["components"]}
    assert licences["azure-core"] == {"license": {"id": "MIT", "acknowledgement": "declared"}}
    assert licences["cryptography"]["expression"] == "Apache-2.0 OR BSD-3-Clause"
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert needs["pkg:pypi/cryptography@50.0.2"] == ["pkg:pypi/azure-core@1.41.0"]
    assert needs["pkg:pypi/azure-core@1.41.0"] == []
    again = sbom.sbom(version="2026.11.0", created_at=CREATED, packages=PACKAGES, runbooks=RUNBOOKS, facts=FACTS)
    assert again == content


def test_the_serial_number_is_the_contents() -> None:
    serials = {json.loads(content)["serialNumber"] for content in (bill(), bill("2026.11.1"), bill(packages=[]))}
    assert len(serials) == 3
    assert bill() == bill()


def test_the_provenance_is_a_statement_of_slsa() -> None:
    made = statement()
    read = Statement.copy_from_pb(Parse(json.dumps(made), StatementMessage()))
    read.validate()
    assert (made["_type"], made["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert {entry["name"]: entry["digest"]["sha256"] for entry in made["subject"]} == {
        runbook.name: runbook.digest.removeprefix("sha256:") for runbook in RUNBOOKS
    }
    definition = made["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"version": "2026.11.0", "channel": "stable"}
    assert definition["resolvedDependencies"] == [
        {"name": "source", "digest": {"gitCommit": COMMIT}},
        {"name": "release-definition", "digest": {"sha256": hashlib.sha256(b"{}").hexdigest()}},
        {"name": "oci/packages.lock", "digest": {"sha256": hashlib.sha256(b"lock").hexdigest()}},
    ]
    assert made["predicate"]["runDetails"] == {"builder": {"id": provenance.BUILDER}}


def test_what_nobody_can_look_up_is_said() -> None:
    changed = statement(Commit(COMMIT, changed=True))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert changed[0]["annotations"] == {"uncommitted_changes": True}
    nowhere = statement(Commit("", changed=False))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [entry["name"] for entry in nowhere] == ["release-definition", "oci/packages.lock"]
