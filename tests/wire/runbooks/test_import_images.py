"""import_images over the wire: by digest, side by side, each import separate, and no import twice."""

import dataclasses
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from tests.support import release_maker
from tests.support.release_maker import OCI_INDEX, OCI_MANIFEST, ContainerRegistry, as_json, digest_of
from tests.support.runbook_run import IMAGES, MANIFEST, QuickClock, run
from tests.support.running_lab import LabUnderTest

VERSION = "2026.11.0"
IMPORT = {"service": "arm", "method": "POST", "path": "importImage"}
POLL = {"service": "arm", "method": "GET", "path": "operationResults"}


@dataclasses.dataclass(frozen=True, slots=True)
class Release:
    """A release that import_manifest has installed. None of its images is imported."""

    lab: LabUnderTest
    publisher: ContainerRegistry
    customer: ContainerRegistry

    def install(self, document: dict[str, Any]) -> dict[str, Any]:
        release_maker.push_release_manifest(self.publisher, as_json(document), document["version"], "latest")
        installed = run(self.lab, MANIFEST)
        assert installed.status == "succeeded", installed.text
        return document

    def missing(self, document: dict[str, Any]) -> list[str]:
        """Return the artifacts that the customer does not have with the pinned digest."""
        pins = [*document["images"], *document["runbooks"], document["python_packages"]]
        return [
            f"{pin['repository']}:{pin['tag']}"
            for pin in pins
            if self.customer.digest(pin["repository"], pin["tag"]) != pin["digest"]
        ]


@pytest.fixture
def release(lab: LabUnderTest) -> Release:
    return Release(
        lab, release_maker.container_registry(lab, "publisher"), release_maker.container_registry(lab, "customer")
    )


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def secrets(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[SecretClient]:
    with SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as client:
        yield client


# --- What it does -----------------------------------------------------------------------------------------------------


def test_everything_that_is_pinned_is_imported_and_a_rerun_asks_little(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 10))
    planned = run(lab, IMAGES, plan_only=True)
    assert (planned.status, len(planned.result["changes"]), planned.writes()) == ("planned", 12, [])
    assert len(release.missing(document)) == 12

    first = run(lab, IMAGES)
    assert (first.exit_code, first.status, first.result["changed"]) == (0, "succeeded", 12), first.text
    assert release.missing(document) == []
    assert len(first.imports()) == 12

    again = run(lab, IMAGES)
    assert (again.exit_code, again.status, again.result["unchanged"]) == (0, "unchanged", 12), again.text
    assert again.writes() == []
    # One of them reads the instance's identity.
    assert len(again.requests) <= 1.2 * 10 + 15 + 1
    # One lookup for each artifact. No 401, no vault, no publisher.
    assert len(again.sent("customer_registry", "HEAD")) == 12
    assert {entry["status"] for entry in again.requests} <= {200, 204, 206, 404}
    assert not {"key_vault", "publisher_registry"} & {entry["service"] for entry in again.requests}


def test_many_repositories_share_access_tokens(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 45))
    planned = run(lab, IMAGES, plan_only=True)
    # 47 repositories, 20 for each token, and one token before the repositories were known.
    assert len(planned.sent("customer_registry", "POST", "/oauth2/token")) == 4
    assert len(planned.sent("customer_registry", "POST", "/oauth2/exchange")) == 1


def test_all_imports_are_in_flight_at_once(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 12))
    lab.latency(operation="importImage", seconds=4)
    first = run(lab, IMAGES)
    assert first.status == "succeeded", first.text
    # The last import was requested before the first image arrived.
    asked = [entry["sequence"] for entry in first.imports()]
    found = [entry["sequence"] for entry in first.sent("customer_registry", "HEAD") if entry["status"] == 200]
    assert len(asked) == 14
    assert max(asked) < min(found)


def test_an_index_is_imported_whole(lab: LabUnderTest, release: Release) -> None:
    publisher, repository = release.publisher, "vibedata/multi"
    children = []
    for architecture in ("amd64", "arm64"):
        digest = publisher.push_artifact(repository, architecture, architecture.encode())
        body = publisher.call("GET", f"{repository}/manifests/{digest}", headers={"Accept": OCI_MANIFEST}).content
        platform = {"os": "linux", "architecture": architecture}
        children.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": len(body), "platform": platform})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    document = release_maker.release_of(publisher, 1)
    digest = publisher.push_manifest(repository, VERSION, index)
    document["images"].append({"name": "multi", "repository": repository, "tag": VERSION, "digest": digest, "size": 10})
    release.install(document)
    first = run(lab, IMAGES)
    assert first.status == "succeeded", first.text
    assert release.missing(document) == []
    for child in children:
        answer = release.customer.call("GET", f"{repository}/manifests/{child['digest']}")
        assert answer.status_code == 200


def test_an_image_under_two_names_is_imported_once(lab: LabUnderTest, release: Release) -> None:
    document = release_maker.release_of(release.publisher, 2)
    document["images"].append({**document["images"][0], "name": "worker"})
    release.install(document)
    first = run(lab, IMAGES)
    assert (first.status, first.result["changed"], len(first.imports())) == ("succeeded", 4, 4)


def test_a_tag_that_moves_at_the_source_changes_nothing(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 2))
    moved = document["images"][0]
    release.publisher.push_artifact(moved["repository"], moved["tag"], b"something else")
    assert run(lab, IMAGES).status == "succeeded"
    assert release.missing(document) == []


def test_a_tag_that_somebody_moved_at_the_customer_is_put_back(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 2))
    moved = document["images"][1]
    other = release.customer.push_artifact(moved["repository"], moved["tag"], b"something else")
    first = run(lab, IMAGES)
    assert first.status == "succeeded", first.text
    assert release.missing(document) == []
    change = next(c for c in first.result["changes"] if c["target"].startswith(moved["repository"] + ":"))
    assert (change["before"], change["after"]) == (other, moved["digest"])


def test_after_a_downgrade_the_older_releases_images_are_imported(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 1, version="2026.10.0"))
    release.install(release_maker.release_of(release.publisher, 1))
    assert run(lab, MANIFEST, release_tag="2026.10.0", allow_downgrade=True).status == "succeeded"
    planned = run(lab, IMAGES, plan_only=True)
    assert {change["target"].rpartition(":")[2] for change in planned.result["changes"]} == {"2026.10.0"}
    chosen = run(lab, IMAGES, plan_only=True, release_version=VERSION)
    assert {change["target"].rpartition(":")[2] for change in chosen.result["changes"]} == {VERSION}


# --- Operations that stick, answers that are lost ---------------------------------------------------------------------


def test_an_operation_that_never_ends_is_overcome_by_looking(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 3))
    lab.latency(operation="importImage", seconds=3600)
    lab.fault("status", status=202, times=0, match=POLL)

    def asked() -> bool:
        return any("/operationResults/" in entry["path"] for entry in lab.journal(service="arm", method="GET"))

    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, lab, IMAGES)
        while not running.done() and not asked():
            time.sleep(0.05)
        lab.control("DELETE", "/latency")  # some requests have been made; now the images arrive
        stuck = running.result()
    assert stuck.status == "succeeded", stuck.text
    assert release.missing(document) == []
    assert stuck.sent("arm", "GET", "/operationResults/")


@pytest.mark.parametrize(
    ("action", "fields"), [("reset_before", {}), ("status", {"status": 503}), ("status", {"status": 429})]
)
def test_an_operation_that_cannot_be_asked_is_overcome_by_looking(
    lab: LabUnderTest, release: Release, action: str, fields: dict[str, Any]
) -> None:
    document = release.install(release_maker.release_of(release.publisher, 2))
    lab.latency(operation="importImage", seconds=3)
    lab.fault(action, times=0, match=POLL, **fields)
    done = run(lab, IMAGES)
    assert done.status == "succeeded", done.text
    assert release.missing(document) == []
    assert done.sent("arm", "GET", "/operationResults/")


def test_an_image_that_does_not_arrive_ends_by_its_own_deadline(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    lab.latency(operation="importImage", seconds=3600)
    late = run(lab, IMAGES, clock=QuickClock(speed=400))  # 20 minutes in 3 s
    assert (late.exit_code, late.error_code) == (1, "VD-IMPORT-003"), late.text
    assert set(late.codes().values()) == {"VD-IMPORT-003"}
    # The looks at the target became rarer: there were not a thousand of them.
    assert len(late.sent("customer_registry", "HEAD")) < 3 * 400


def test_an_operation_that_succeeds_without_an_image_has_failed(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    lab.latency(operation="importImage", seconds=3600)
    lab.fault("status", status=200, times=0, match=POLL)
    failed = run(lab, IMAGES)
    assert set(failed.codes().values()) == {"VD-IMPORT-002"}, failed.text
    assert "the operation succeeded, but the image is not there" in failed.text


def test_lost_answers_are_recognised_by_looking(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 3))
    lab.fault("reset_after", times=0, match=IMPORT)
    lost = run(lab, IMAGES)
    assert lost.status == "succeeded", lost.text
    assert len(lost.imports()) == 5  # each once
    assert release.missing(document) == []


def test_requests_that_never_arrived_are_sent_again(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 3))
    lab.fault("reset_before", times=2, match=IMPORT)
    lost = run(lab, IMAGES)
    assert lost.status == "succeeded", lost.text
    assert len(lost.imports()) == 7


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_servers_failure_leaves_open_what_came_of_it(lab: LabUnderTest, release: Release, status: int) -> None:
    document = release.install(release_maker.release_of(release.publisher, 1))
    lab.fault("status", status=status, times=1, match=IMPORT)
    mended = run(lab, IMAGES)
    assert mended.status == "succeeded", mended.text
    assert len(mended.imports()) == 4  # it was looked for, was absent, and was requested again
    assert release.missing(document) == []


def test_a_server_that_goes_on_failing_is_given_up(lab: LabUnderTest, release: Release) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    lab.fault("status", status=500, times=0, match=IMPORT)
    failed = run(lab, IMAGES)
    assert (failed.exit_code, set(failed.codes().values())) == (1, {"VD-NET-002"}), failed.text
    assert len(failed.imports()) == 3 * 4  # three retries each
    lab.clear_faults()
    assert run(lab, IMAGES).status == "succeeded"


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_no_release_is_installed(lab: LabUnderTest, release: Release) -> None:  # noqa: ARG001 - a lab at its start
    assert run(lab, IMAGES).error_code == "VD-MANIFEST-010"
    none = run(lab, IMAGES, release_version="2026.1.0")
    assert none.error_code == "VD-MANIFEST-010"
    assert "artifact storage holds no release" in none.result["error"]["message"]


def test_an_image_that_is_missing_at_the_source_leaves_the_others_done(lab: LabUnderTest, release: Release) -> None:
    document = release_maker.release_of(release.publisher, 3)
    gone = document["images"][1]
    answer = release.publisher.call("DELETE", f"{gone['repository']}/manifests/{gone['digest']}")
    assert answer.status_code == 202
    release.install(document)
    failed = run(lab, IMAGES)
    target = f"{gone['repository']}:{VERSION}"
    assert (failed.exit_code, failed.codes()) == (1, {target: "VD-IMPORT-001"}), failed.text
    assert sorted(failed.outcomes().values()) == ["done"] * 4 + ["failed"]
    assert release.missing(document) == [target]

    release_maker.push_images(release.publisher, 3, version=VERSION)
    again = run(lab, IMAGES)
    assert (again.status, again.result["changed"], again.result["unchanged"]) == ("succeeded", 1, 4), again.text


def _blob_file(lab: LabUnderTest, digest: str) -> Path:
    """Return where the publisher's Docker Registry keeps a blob's bytes."""
    value = digest.removeprefix("sha256:")
    root = lab.directory / "servers" / "publisher_registry" / "docker" / "registry" / "v2"
    return root / "blobs" / "sha256" / value[:2] / value / "data"


@pytest.mark.parametrize("part", ["layer", "manifest", "document"])
def test_bytes_that_do_not_match_their_digest_are_not_tagged(lab: LabUnderTest, release: Release, part: str) -> None:
    made = release_maker.release_of(release.publisher, 2)
    bill, kind = b"a bill of 0 materials", "application/vnd.cyclonedx+json"
    pin = {"name": "sbom", "media_type": kind, "repository": "vibedata/sbom", "tag": VERSION}
    pin["digest"] = release.publisher.push_artifact("vibedata/sbom", VERSION, bill, artifact_type=kind)
    document = release.install({**made, "documents": [pin]})
    damaged = pin if part == "document" else document["images"][0]
    layers = {"layer": f"image 0 of {VERSION}".encode(), "document": bill}
    digest = digest_of(layers[part]) if part in layers else damaged["digest"]
    file = _blob_file(lab, digest)
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    failed = run(lab, IMAGES)
    target = f"{damaged['repository']}:{VERSION}"
    assert failed.exit_code == 1
    assert failed.codes() == {target: "VD-IMPORT-004"}, failed.text
    assert release.customer.digest(damaged["repository"], VERSION) is None


def test_a_token_that_the_source_refuses(lab: LabUnderTest, release: Release, secrets: SecretClient) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    secrets.set_secret(
        "publisher-acr-token", json.dumps({"username": "customer-2f4cfa0e", "password": "wrong-canary-password"})
    )
    refused = run(lab, IMAGES)
    assert (refused.exit_code, set(refused.codes().values())) == (1, {"VD-IMPORT-005"}), refused.text
    assert "canary" not in refused.text


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"action": "status", "status": 403, "code": "AuthorizationFailed"}, "VD-REGISTRY-003"),
        ({"action": "status", "status": 409, "code": "Conflict"}, "VD-IMPORT-006"),
        ({"action": "status", "status": 404, "code": "ResourceNotFound"}, "VD-IMPORT-002"),
        ({"action": "throttle", "seconds": 1}, "VD-NET-002"),
    ],
)
def test_refusals_of_the_import_are_told_apart(
    lab: LabUnderTest, release: Release, fault: dict[str, Any], code: str
) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    lab.fault(times=0, match=IMPORT, **fault)
    refused = run(lab, IMAGES)
    assert (refused.exit_code, set(refused.codes().values())) == (1, {code}), refused.text


def test_throttling_of_imports_is_waited_out(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 6))
    lab.fault("throttle", seconds=1, times=5, match=IMPORT)
    assert run(lab, IMAGES).status == "succeeded"
    assert release.missing(document) == []


def test_a_lookup_that_fails_is_not_taken_for_absence(lab: LabUnderTest, release: Release) -> None:
    document = release.install(release_maker.release_of(release.publisher, 3))
    assert run(lab, IMAGES).status == "succeeded"
    app = {"service": "customer_registry", "method": "HEAD", "path": "/v2/vibedata/app-1/"}
    for status, code in ((429, "VD-REGISTRY-004"), (503, "VD-REGISTRY-004"), (403, "VD-REGISTRY-003")):
        lab.fault("status", status=status, times=0, match=app)
        refused = run(lab, IMAGES)
        assert (refused.error_code, refused.writes()) == (code, []), refused.text
        lab.clear_faults()
    assert release.missing(document) == []


def test_a_stored_manifest_of_another_content_is_not_used(
    lab: LabUnderTest, release: Release, credential: ManagedIdentityCredential
) -> None:
    release.install(release_maker.release_of(release.publisher, 1))
    with BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs:
        container = blobs.get_container_client("release-manifests")
        # Each is signed. But the first has other bytes than the signed ones, and the second has another version.
        content = as_json(release_maker.document(version="2026.12.0"))
        other = as_json(release_maker.document(version="2026.11.9"))
        altered = release_maker.stored_parts("2026.12.0", "sha256:" + "a" * 64, content)
        moved = release_maker.stored_parts("2026.13.0", digest_of(other), other)
        for name, part in {**altered, **moved}.items():
            container.upload_blob(name, part)
    for version in ("2026.12.0", "2026.13.0"):
        assert run(lab, IMAGES, release_version=version).error_code == "VD-STORAGE-003"
