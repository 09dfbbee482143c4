"""Artifacts that differ from the release: none of them gets into the account."""

from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from runbook_lib.release.artifacts import ArtifactBlob
from runbook_lib.release.files import ArtifactBlobs, blob_name
from tests.support.installed import PACKAGES_TYPE, SBOM_TYPE, SINGLE_PACKAGES_TYPE, Customer, sha256_of, wheels
from tests.support.publications import PUBLISH, SCRIPTS, arm_writes, sha256
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest


def repinned(customer: Customer, **runbook: str) -> None:
    """Install a release whose one runbook's pin differs from the artifact in the container registry."""
    release = customer.install({"alpha": SCRIPTS["alpha"]}, wheels("one"), version="2026.12.0")
    document: dict[str, Any] = {**release.document, "version": "2026.12.1"}
    document["runbooks"] = [{**document["runbooks"][0], **runbook}]
    customer.put_manifest(document)


def test_a_script_that_is_not_the_artifacts_is_refused(lab: LabUnderTest, customer: Customer) -> None:
    other = "print('other')\n"
    customer.container_registry.push_blob("vibedata/runbooks/alpha", other.encode())
    repinned(customer, script_sha256=sha256(other))
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == ["VD-MANIFEST-011"], done.text
    assert done.outcomes()["runbook alpha"] == "skipped"


def test_an_artifact_that_is_not_there_is_named(lab: LabUnderTest, customer: Customer) -> None:
    repinned(customer, digest="sha256:" + "0" * 64, script_sha256="0" * 64)
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == ["VD-MANIFEST-012"], done.text


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (SBOM_TYPE, [("a.json", b"{}"), ("b.json", b"[]")]),
        (SBOM_TYPE, [("a.json", b"")]),
        (PACKAGES_TYPE, [("a.json", b"{}")]),
    ],
)
def test_a_malformed_document_is_refused(
    lab: LabUnderTest, customer: Customer, kind: str, files: list[tuple[str, bytes]]
) -> None:
    release = customer.install(SCRIPTS, wheels("one"), documents={"sbom": b"{}"})
    pin = {**release.document["documents"][0], "digest": customer.push("vibedata/sbom", "other", kind, files)}
    customer.put_manifest({**release.document, "version": "2026.11.1", "documents": [pin]})
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-MANIFEST-011", []), done.text


@pytest.mark.parametrize("kind", [SINGLE_PACKAGES_TYPE, PACKAGES_TYPE, "application/vnd.example.other"])
def test_a_malformed_package_set_is_refused(lab: LabUnderTest, customer: Customer, kind: str) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    digest = customer.push("vibedata/python-packages", "other", kind, [("readme.txt", b"no wheel")])
    pin = {**release.document["python_packages"], "digest": digest}
    customer.put_manifest({**release.document, "version": "2026.11.1", "python_packages": pin})
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-MANIFEST-011", []), done.text


def test_a_kept_file_that_is_another_is_refused(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    name = f"{sha256(SCRIPTS['alpha'])}/alpha.py"
    customer.blobs.get_blob_client("artifacts", name).upload_blob(b"print('evil')\n")
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-STORAGE-003", []), done.text
    assert customer.artifacts()[name] == b"print('evil')\n"


@pytest.mark.parametrize("imported", [True, False])
def test_a_kept_wheel_of_the_same_length_is_refused_and_no_link_to_it_given(
    lab: LabUnderTest, customer: Customer, imported: bool
) -> None:
    (named, content) = wheels("one")[0]
    customer.install(SCRIPTS, [(named, content)])
    name = f"{sha256_of(content)}/{named}"
    if imported:
        run(lab, PUBLISH)
    customer.blobs.get_blob_client("artifacts", name).upload_blob(bytes(len(content)), overwrite=True)
    done = run(lab, PUBLISH)
    assert (done.error_code, arm_writes(done)) == ("VD-STORAGE-003", []), done.text
    assert name in done.text
    assert [entry for entry in done.requests if entry["client"].startswith("AzureAutomation")] == []


def test_a_link_is_given_only_to_bytes_that_are_compared(customer: Customer) -> None:
    """The bytes are compared again: the wheel is replaced while its import waits."""
    content = b"the wheel's bytes"
    blob = ArtifactBlob(filename="one.whl", sha256=sha256_of(content), size=len(content))
    blobs = ArtifactBlobs(blob_service=customer.blobs, clock=SYSTEM_CLOCK, learn_secret=lambda _: None)
    with pytest.raises(RunbookError, match=r"VD-STORAGE-003.*it is gone"):
        blobs.link(blob)
    blobs.put_once(blob, content)
    assert "sig=" in blobs.link(blob)
    customer.blobs.get_blob_client("artifacts", blob_name(blob)).upload_blob(bytes(len(content)), overwrite=True)
    with pytest.raises(RunbookError, match="VD-STORAGE-003"):
        blobs.link(blob)


def test_a_stored_file_that_became_too_large_is_not_read(lab: LabUnderTest, customer: Customer) -> None:
    content = b"the wheel's bytes"
    blob = ArtifactBlob(filename="one.whl", sha256=sha256_of(content), size=len(content))
    blobs = ArtifactBlobs(blob_service=customer.blobs, clock=SYSTEM_CLOCK, learn_secret=lambda _: None)
    huge = 100 * 1024 * 1024
    customer.blobs.get_blob_client("artifacts", blob_name(blob)).upload_blob(bytes(huge))
    since = lab.last_request()
    assert blobs.digest(blob) == f"{huge} bytes"
    with pytest.raises(RunbookError, match=rf"VD-STORAGE-003.*{huge} bytes"):
        blobs.link(blob)
    assert len([each for each in lab.journal(since=since, method="GET") if blob_name(blob) in each["path"]]) == 2
