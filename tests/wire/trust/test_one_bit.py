"""One bit of anything that is stored on a release's way is flipped. The next reader stops, and writes nothing.

The container registries' own storage is changed on disk, where nobody checks it. Artifact storage is written once, so
it gets the flipped bytes at the beginning. A published text is changed as a user of the Automation account would change
it.
"""

import random
from collections.abc import Callable, Iterator

import pytest
from azure.storage.blob import BlobServiceClient

from runbook_lib.callbacks.spool import CONTAINER as SPOOL
from runbook_lib.errors import RunbookError
from runbook_lib.release.model import ReleaseId
from runbook_lib.release.stored import read_stored
from runbook_lib.trust.signature import TrustPolicy
from runbooks import bootstrap_registry, publish_runbooks, validate_runbooks
from tests.support import health_rig, installed, release_maker
from tests.support.installed import Customer, sha256_of, wheels
from tests.support.one_bit import flip, kept, variants
from tests.support.release_maker import RELEASE_REPOSITORY, ContainerRegistry, as_json, digest_of, document
from tests.support.release_signer import descriptor, usual_signer
from tests.support.runbook_run import IMAGES, MANIFEST, Run, run
from tests.support.running_lab import LabUnderTest

PUBLISH = publish_runbooks.RUNBOOK
VALIDATE = validate_runbooks.RUNBOOK
BOOTSTRAP = bootstrap_registry.RUNBOOK
VERSION = "2026.11.0"
CONTENT = as_json(document())
SHA256 = sha256_of(CONTENT)
SCRIPT = "print('alpha')\n"
DOCUMENTS = {
    "sbom": b'{"bomFormat":"CycloneDX"}',
    "provenance": b'{"predicateType":"https://slsa.dev/provenance/v1"}',
}
FILES = ("alpha.py", "sbom.json", "provenance.json", "python-packages.json", "one-1.0-py3-none-any.whl")
IDENTITY = "VIBEDATA_TRUSTED_IDENTITY"
# Later than an import's first look at its target.
LATE_SECONDS = 1.5
# The number of bits that are tried in a stored release.
BITS = 40


def assert_each_stops(lab: LabUnderTest, side: str, digest: str, reader: object, *codes: str) -> None:
    """Flip one bit after another of the objects in a container registry. Each flip must stop `reader`."""
    file = kept(lab, side, digest)
    whole = file.read_bytes()
    for changed in variants(whole):
        file.write_bytes(changed)
        assert_stopped(run(lab, reader), *codes)
    file.write_bytes(whole)


@pytest.fixture
def publisher(lab: LabUnderTest) -> ContainerRegistry:
    return release_maker.container_registry(lab, "publisher")


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        yield opened


def push(publisher: ContainerRegistry) -> dict[str, str]:
    """Push a signed release and return the digests of its objects."""
    artifact = release_maker.push_unsigned(publisher, CONTENT)
    subject = descriptor(publisher.manifest(RELEASE_REPOSITORY, artifact))
    envelope = usual_signer().envelope(subject)
    signature = publisher.push_signature(RELEASE_REPOSITORY, subject, envelope)
    return {
        "release manifest": digest_of(CONTENT),
        "OCI manifest": artifact,
        "signature manifest": signature,
        "envelope": digest_of(envelope),
    }


def assert_stopped(ended: Run, *codes: str) -> None:
    """Check that nothing was written, and that the error gives the reason."""
    assert ended.exit_code == 1, ended.text
    assert ended.error_code.startswith(codes), ended.text
    assert ended.writes() == []


@pytest.mark.parametrize("name", ["release manifest", "OCI manifest", "signature manifest", "envelope"])
def test_at_the_publishers(lab: LabUnderTest, publisher: ContainerRegistry, name: str) -> None:
    assert_each_stops(lab, "publisher", push(publisher)[name], MANIFEST, "VD-REGISTRY-005")
    assert run(lab, MANIFEST).status == "succeeded"


@pytest.mark.parametrize(
    ("name", "reader"),
    [("OCI manifest", IMAGES), ("signature manifest", MANIFEST), ("envelope", MANIFEST)],
)
def test_in_the_customers_container_registry(
    lab: LabUnderTest, publisher: ContainerRegistry, name: str, reader: object
) -> None:
    digest = push(publisher)[name]
    assert run(lab, MANIFEST).status == "succeeded"
    assert_each_stops(lab, "customer", digest, reader, "VD-REGISTRY-005")


def test_a_signature_that_is_no_longer_whole_at_the_customers_is_brought_again(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    digests = push(publisher)
    assert run(lab, MANIFEST).status == "succeeded"
    kept(lab, "customer", digests["envelope"]).unlink()
    # The signature's manifest is always there, and the envelope comes late. The first reader at the publisher is the
    # runbook, and the second is the import.
    envelope = {"service": "publisher_registry", "path": f"/blobs/{digests['envelope']}", "nth": 2}
    lab.fault("delay", seconds=LATE_SECONDS, match=envelope)
    again = run(lab, MANIFEST)
    assert (again.status, len(again.imports())) == ("succeeded", 1), again.text
    assert again.outcomes() == {f"{RELEASE_REPOSITORY}@{digests['signature manifest']}": "done"}
    assert kept(lab, "customer", digests["envelope"]).exists()
    assert run(lab, MANIFEST).status == "unchanged"


STORED = {".json": ("VD-STORAGE-003",), ".oci.json": ("VD-TRUST-011",), ".jws": ("VD-TRUST-00",)}


@pytest.mark.parametrize("part", STORED)
def test_in_artifact_storage(lab: LabUnderTest, customer: Customer, part: str) -> None:
    release_maker.push_release_manifest(customer.container_registry, CONTENT, VERSION, "latest")
    for name, held in release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT).items():
        is_flipped = name == f"{VERSION}/{SHA256}{part}"
        customer.blobs.get_blob_client("release-manifests", name).upload_blob(flip(held, 0.5) if is_flipped else held)
    for reader in (IMAGES, PUBLISH, VALIDATE, BOOTSTRAP):
        ended = run(lab, reader)
        assert_stopped(ended, *STORED[part])
    # An import over it does not hide it either.
    release_maker.push_release_manifest(release_maker.container_registry(lab, "publisher"), CONTENT, VERSION, "latest")
    assert_stopped(run(lab, MANIFEST), *STORED[part], "VD-MANIFEST-008")


@pytest.mark.parametrize("part", STORED)
def test_health_is_checked_all_the_same_and_the_run_fails(lab: LabUnderTest, customer: Customer, part: str) -> None:
    for name, held in release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT).items():
        is_flipped = name == f"{VERSION}/{SHA256}{part}"
        customer.blobs.get_blob_client("release-manifests", name).upload_blob(flip(held, 0.5) if is_flipped else held)
    with health_rig.rig(lab) as rig:
        rig.register("scheduler")
        rig.tables.create_table_if_not_exists("Releases")
        row = {"PartitionKey": "release", "RowKey": VERSION, "state": "current", "digest": f"sha256:{SHA256}"}
        rig.tables.get_table_client("Releases").upsert_entity(row)
        ended = rig.check()
        assert ended.exit_code == 1, ended.text
        assert ended.error_code.startswith(STORED[part]), ended.text
        assert rig.health("scheduler") == "healthy"
    assert [target for target, outcome in ended.outcomes().items() if outcome != "done"] == ["the recorded release"]
    written = {write.split()[0] for write in ended.writes() if f"/{SPOOL}/" not in write}
    assert written == {"table"}  # health, and also the waiting report


def test_any_bit_in_artifact_storage(customer: Customer, blobs_of: Callable[[str, dict[str, bytes]], None]) -> None:
    """Flip bits in all three blobs. Every runbook reads them in this way."""
    signer = usual_signer()
    policy = TrustPolicy(roots=frozenset({signer.root_fingerprint}), identity=signer.environment()[IDENTITY])
    chance = random.Random(20261125)  # noqa: S311 - which bits are tried, not a secret
    parts = release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT)
    for number in range(BITS):
        folder = f"2027.1.{number}"
        flipped = chance.choice(sorted(parts))
        blobs_of(
            folder,
            {name: flip(held, chance.random()) if name == flipped else held for name, held in parts.items()},
        )
        with pytest.raises(RunbookError) as caught:
            read_stored(customer.blobs, ReleaseId(folder, digest_of(CONTENT)), policy)
        assert caught.value.code.startswith(("VD-TRUST-", "VD-STORAGE-003")), (flipped, caught.value)
        # Without the flipped bit it would have reached the version in the folder's name.
        assert "it holds version" not in caught.value.message, flipped
    blobs_of("2027.2.0", parts)
    with pytest.raises(RunbookError, match="it holds version"):
        read_stored(customer.blobs, ReleaseId("2027.2.0", digest_of(CONTENT)), policy)


@pytest.fixture
def blobs_of(customer: Customer) -> Callable[[str, dict[str, bytes]], None]:
    """Return a function that writes a release's blobs into a folder."""
    service: BlobServiceClient = customer.blobs

    def write(folder: str, parts: dict[str, bytes]) -> None:
        for name, held in parts.items():
            client = service.get_blob_client("release-manifests", f"{folder}/{name.partition('/')[2]}")
            client.upload_blob(held)

    return write


@pytest.mark.parametrize(
    "name",
    [
        "script",
        "script's artifact",
        "package list",
        "package",
        "sbom",
        "sbom's artifact",
        "provenance",
        "provenance's artifact",
    ],
)
def test_in_what_a_release_pins(lab: LabUnderTest, customer: Customer, name: str) -> None:
    packages = wheels("one")
    release = customer.install({"alpha": SCRIPT}, packages, documents=DOCUMENTS)
    digest = {
        **{name: digest_of(content) for name, content in DOCUMENTS.items()},
        **{f"{each['name']}'s artifact": each["digest"] for each in release.document["documents"]},
        "script": digest_of(SCRIPT.encode()),
        "script's artifact": release.document["runbooks"][0]["digest"],
        "package list": release.document["python_packages"]["digest"],
        "package": digest_of(packages[0][1]),
    }[name]
    file = kept(lab, "customer", digest)
    file.write_bytes(next(variants(file.read_bytes())))
    ended = run(lab, PUBLISH)
    assert ended.exit_code == 1
    assert {ended.error_code, *ended.codes().values()} >= {"VD-REGISTRY-005"}, ended.text
    assert customer.artifacts().keys().isdisjoint({f"{digest.removeprefix('sha256:')}/{file}" for file in FILES})
    assert not [write for write in ended.writes() if " POST " in write or "/draft" in write or "/packages/" in write]


@pytest.mark.parametrize("name", ["sbom", "provenance", "package list", "script"])
@pytest.mark.parametrize("published", [True, False])
def test_in_a_kept_file(lab: LabUnderTest, customer: Customer, name: str, published: bool) -> None:
    release = customer.install({"alpha": SCRIPT}, wheels("one"), documents=DOCUMENTS)
    if published:
        assert run(lab, PUBLISH).status == "succeeded"
    pin = release.document["python_packages"]
    listing = customer.container_registry.manifest(pin["repository"], pin["digest"])
    file, content = {
        **{each: (f"{each}.json", held) for each, held in DOCUMENTS.items()},
        "package list": ("python-packages.json", listing),
        "script": ("alpha.py", SCRIPT.encode()),
    }[name]
    # It has the right name and size. Only a reader of its bytes can see the change.
    blob = customer.blobs.get_blob_client("artifacts", f"{sha256_of(content)}/{file}")
    blob.upload_blob(flip(content, 0.5), overwrite=True)
    ended = run(lab, PUBLISH)
    assert_stopped(ended, "VD-STORAGE-003")
    assert f"artifacts/{sha256_of(content)}/{file}" in ended.text


def test_in_a_package_that_waits_for_its_import(lab: LabUnderTest, customer: Customer) -> None:
    ((file, content),) = wheels("one")
    customer.install({"alpha": SCRIPT}, [(file, content)])
    # It has the right name and size. Only a reader of its bytes can see the change.
    customer.blobs.get_blob_client("artifacts", f"{sha256_of(content)}/{file}").upload_blob(flip(content, 0.5))
    ended = run(lab, PUBLISH)
    assert_stopped(ended, "VD-STORAGE-003")
    assert f"artifacts/{sha256_of(content)}/{file}" in ended.text
    assert not [write for write in ended.writes() if "/packages/" in write or "/draft" in write]


def test_in_a_published_text(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": SCRIPT}, wheels("one"))
    assert run(lab, PUBLISH).status == "succeeded"
    client, at = customer.automation.client, customer.automation.at
    client.runbook_draft.begin_replace_content(*at, "alpha", flip(SCRIPT.encode(), 0.5).decode()).result()
    client.runbook.begin_publish(*at, "alpha").result()
    ended = run(lab, VALIDATE)
    assert ended.codes() == {"runbook alpha": "VD-AUTOMATION-010"}, ended.text
    assert ended.writes() == []  # it is not tried
    again = run(lab, PUBLISH)
    assert again.outcomes() == {"runbook alpha": "done"}
    assert customer.published("alpha")[2] == SCRIPT
