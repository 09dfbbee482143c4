"""A release in artifact storage: what has no signature, what somebody else put there, and what counts as installed."""

from collections.abc import Iterator

import pytest

from tests.lab import installed, release_maker
from tests.lab.installed import Customer
from tests.lab.log_reader import table_rows
from tests.lab.release_maker import RELEASE_REPOSITORY, ContainerRegistry, as_json, digest_of, document
from tests.lab.runbook_run import IMAGES, MANIFEST, run
from tests.lab.running_lab import LabUnderTest
from tests.release_signer import new_signer, usual_signer

VERSION = "2026.11.0"
CONTENT = as_json(document())


@pytest.fixture
def publisher(lab: LabUnderTest) -> ContainerRegistry:
    return release_maker.container_registry(lab, "publisher")


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        yield opened


def put(customer: Customer, parts: dict[str, bytes]) -> None:
    for name, content in parts.items():
        customer.blobs.get_blob_client("release-manifests", name).upload_blob(content)


def test_a_release_that_was_stored_before_releases_were_signed_gets_its_signature(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    release_maker.push_unsigned(customer.container_registry, CONTENT, VERSION, "latest")
    (name,) = (name for name in release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT) if "oci" in name)
    put(customer, {name.replace(".oci", ""): CONTENT})
    unsigned = run(lab, IMAGES)
    assert (unsigned.error_code, unsigned.writes()) == ("VD-TRUST-032", []), unsigned.text
    assert "Run import_manifest" in unsigned.text
    (event,) = [row for row in table_rows(lab) if row["Action"] == "verify"]
    assert (event["Outcome"], event["ErrorCode"]) == ("refused", "VD-TRUST-032")
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    mended = run(lab, MANIFEST)
    # The signature, in two places, and what it is of.
    assert (mended.status, mended.result["changed"], mended.result["unchanged"]) == ("succeeded", 3, 3), mended.text
    assert run(lab, IMAGES, plan_only=True).status == "planned"
    assert {row["Outcome"] for row in table_rows(lab) if row["Action"] == "verify"} == {"refused", "verified"}


def test_a_signature_of_another_release_is_of_no_use(lab: LabUnderTest, customer: Customer) -> None:
    other = as_json(document(channel="other"))
    release_maker.push_release_manifest(customer.container_registry, CONTENT, VERSION, "latest")
    genuine = release_maker.stored_parts(VERSION, digest_of(other), other)
    there = release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT)
    put(customer, dict(zip(sorted(there), (CONTENT, *(genuine[name] for name in sorted(genuine)[1:])), strict=True)))
    moved = run(lab, IMAGES)
    assert (moved.error_code, moved.writes()) == ("VD-TRUST-033", []), moved.text


def test_only_what_is_verified_counts_as_installed(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    """Who may write blobs cannot keep a release out by a name, nor let an older one in: nobody can delete."""
    newer = as_json(document(version="2026.12.0"))
    other = as_json(document(channel="other"))
    put(customer, {f"9999.1.0/{'a' * 64}.json": b"{}"})
    put(customer, release_maker.stored_parts("2026.12.0", digest_of(newer), newer, signer=new_signer()))
    put(customer, {f"{VERSION}/{digest_of(other).removeprefix('sha256:')}.json": other})
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    done = run(lab, MANIFEST)
    assert done.status == "succeeded", done.text
    assert done.text.count("does not count as installed") == 3
    # The one beside it, of its own version, is passed over by those who read, too.
    assert run(lab, IMAGES, plan_only=True, release_version=VERSION).status == "planned"

    put(customer, release_maker.stored_parts("2026.13.0", digest_of(b"x"), b"x"))
    again = as_json(document(version="2026.13.0"))
    put(customer, release_maker.stored_parts("2026.13.0", digest_of(again), again))
    release_maker.push_release_manifest(publisher, as_json(document(version="2026.12.1")), "latest")
    refused = run(lab, MANIFEST)
    assert (refused.error_code, refused.writes()) == ("VD-MANIFEST-007", []), refused.text


def test_a_good_signature_that_is_stored_stays(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    put(customer, release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT))
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    done = run(lab, MANIFEST)
    assert (done.status, done.result["changed"], done.result["unchanged"]) == ("succeeded", 3, 3), done.text
    assert run(lab, MANIFEST).status == "unchanged"


def test_the_same_content_in_another_artifact_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    assert run(lab, MANIFEST).status == "succeeded"
    manifest = {**release_maker.artifact_of(digest_of(CONTENT), len(CONTENT)), "annotations": {"a": "b"}}
    digest = publisher.push_manifest(RELEASE_REPOSITORY, "latest", manifest)
    publisher.sign(RELEASE_REPOSITORY, digest, new_signer())
    assert run(lab, MANIFEST).error_code == "VD-TRUST-008"
    publisher.sign(RELEASE_REPOSITORY, digest, usual_signer())
    again = run(lab, MANIFEST)
    assert (again.error_code, again.writes()) == ("VD-MANIFEST-008", []), again.text
    assert len(list(customer.blobs.get_container_client("release-manifests").list_blob_names())) == 3
