"""import_manifest over the wire: what it leaves in the customer's tenant, and what it refuses before any write."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from tests.support import release_maker
from tests.support.release_maker import RELEASE_REPOSITORY, ContainerRegistry, as_json, digest_of, document
from tests.support.release_signer import descriptor, usual_signer
from tests.support.runbook_run import MANIFEST, Run, run
from tests.support.running_lab import LabUnderTest

VERSION = "2026.11.0"


@pytest.fixture
def publisher(lab: LabUnderTest) -> ContainerRegistry:
    return release_maker.container_registry(lab, "publisher")


@pytest.fixture
def customer(lab: LabUnderTest) -> ContainerRegistry:
    return release_maker.container_registry(lab, "customer")


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def blobs(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as client:
        yield client


@pytest.fixture
def secrets(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[SecretClient]:
    with SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as client:
        yield client


def stored(blobs: BlobServiceClient) -> dict[str, bytes]:
    """Return artifact storage's release manifests by name."""
    container = blobs.get_container_client("release-manifests")
    return {name: container.download_blob(name).readall() for name in container.list_blob_names()}


def assert_refused(run: Run, code: str, customer: ContainerRegistry) -> None:
    """Check that nothing was written at all."""
    assert run.error_code == code, run.text
    assert run.exit_code == 1
    assert run.writes() == []
    assert customer.digest(RELEASE_REPOSITORY, "latest") is None


# --- What it does -----------------------------------------------------------------------------------------------------


def test_the_release_manifest_arrives_in_both_places_with_its_signature(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, blobs: BlobServiceClient
) -> None:
    content = as_json(document())
    digest = release_maker.push_unsigned(publisher, content, VERSION, "latest")
    artifact = publisher.manifest(RELEASE_REPOSITORY, digest)
    envelope = usual_signer().envelope(descriptor(artifact))
    signature = publisher.push_signature(RELEASE_REPOSITORY, descriptor(artifact), envelope)
    first = run(lab, MANIFEST)
    assert (first.exit_code, first.status, first.result["changed"]) == (0, "succeeded", 6), first.text
    assert customer.digest(RELEASE_REPOSITORY, VERSION) == digest
    assert customer.digest(RELEASE_REPOSITORY, "latest") == digest
    sha256 = digest_of(content).removeprefix("sha256:")
    parts = {".json": content, ".oci.json": artifact, ".jws": envelope}
    assert stored(blobs) == {f"{VERSION}/{sha256}{part}": held for part, held in parts.items()}
    # A referrer is not copied together with its artifact. It was imported by its own digest, and names the artifact.
    listed = customer.referrers(RELEASE_REPOSITORY, digest)
    assert [one["digest"] for one in listed] == [signature]
    # Only by digest, and the customer's latest comes last.
    assert [entry["status"] for entry in first.imports()] == [202, 202, 202]
    last = first.imports()[-1]["sequence"]
    assert all(
        entry["sequence"] < last for entry in first.sent("blob", "PUT", "/release-manifests/") + first.imports()[:-1]
    )

    again = run(lab, MANIFEST)
    assert (again.exit_code, again.status, again.result["unchanged"]) == (0, "unchanged", 6), again.text
    assert again.writes() == []


def test_a_plan_writes_nothing(lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    planned = run(lab, MANIFEST, plan_only=True)
    assert (planned.exit_code, planned.status, len(planned.result["changes"])) == (0, "planned", 6)
    assert planned.writes() == []
    assert customer.digest(RELEASE_REPOSITORY, "latest") is None


def test_an_upgrade_moves_latest_and_keeps_what_was(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, blobs: BlobServiceClient
) -> None:
    old = release_maker.push_release_manifest(publisher, as_json(document()), VERSION, "latest")
    run(lab, MANIFEST)
    new = release_maker.push_release_manifest(publisher, as_json(document(version="2026.12.0")), "2026.12.0", "latest")
    upgrade = run(lab, MANIFEST)
    assert upgrade.status == "succeeded", upgrade.text
    assert customer.digest(RELEASE_REPOSITORY, VERSION) == old
    assert customer.digest(RELEASE_REPOSITORY, "latest") == new
    assert len(stored(blobs)) == 6

    back = run(lab, MANIFEST, release_tag=VERSION)
    assert (back.error_code, back.writes()) == ("VD-MANIFEST-007", [])
    meant = run(lab, MANIFEST, release_tag=VERSION, allow_downgrade=True)
    assert (meant.status, meant.result["changed"], meant.result["unchanged"]) == ("succeeded", 1, 5)
    assert customer.digest(RELEASE_REPOSITORY, "latest") == old
    # This release is installed now. A rerun has nothing to do, and is not refused any more.
    again = run(lab, MANIFEST, release_tag=VERSION)
    assert (again.status, again.writes()) == ("unchanged", [])


# --- Lost answers -----------------------------------------------------------------------------------------------------


def test_lost_answers_to_writes_are_recognised_by_looking(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    digest = release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("reset_after", times=0, match={"service": "arm", "method": "POST", "path": "importImage"})
    lab.fault("reset_after", match={"service": "blob", "method": "PUT", "path": "/release-manifests/"})
    lost = run(lab, MANIFEST)
    assert lost.status == "succeeded", lost.text
    assert len(lost.imports()) == 3  # each once
    assert customer.digest(RELEASE_REPOSITORY, "latest") == digest


def test_a_write_that_never_arrived_is_made_again(lab: LabUnderTest, publisher: ContainerRegistry) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("reset_before", match={"service": "arm", "method": "POST", "path": "importImage"})
    lab.fault("reset_before", match={"service": "blob", "method": "PUT", "path": "/release-manifests/"})
    lost = run(lab, MANIFEST)
    assert lost.status == "succeeded", lost.text
    assert len(lost.imports()) == 4


def test_the_next_run_continues_where_a_run_broke_off(lab: LabUnderTest, publisher: ContainerRegistry) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("status", status=403, times=0, match={"service": "blob", "method": "PUT", "path": "/release-manifests/"})
    broken = run(lab, MANIFEST)
    assert sorted(broken.outcomes().values()) == ["done", *["failed"] * 3, *["skipped"] * 2]
    lab.clear_faults()
    again = run(lab, MANIFEST)
    assert (again.status, again.result["changed"], again.result["unchanged"]) == ("succeeded", 5, 1), again.text


# --- What it refuses --------------------------------------------------------------------------------------------------


def _with_image(**fields: Any) -> dict[str, Any]:
    image = {"name": "api", "repository": "vibedata/api", "tag": "1", "digest": "sha256:" + "a" * 64, "size": 1}
    return {**image, **fields}


PAST = (datetime.now(timezone.utc) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
BAD_CONTENT: dict[str, tuple[bytes, str]] = {
    "not json": (b"{", "VD-MANIFEST-002"),
    "over the cap": (b" " * (1024 * 1024 + 1), "VD-MANIFEST-003"),
    "unknown schema": (as_json(document(schema_version=2)), "VD-MANIFEST-004"),
    "unknown field": (as_json(document(extra=1)), "VD-MANIFEST-002"),
    "bad digest": (as_json(document(images=[_with_image(digest="md5:" + "a" * 32)])), "VD-MANIFEST-002"),
    "duplicate name": (as_json(document(images=[_with_image(), _with_image(tag="2")])), "VD-MANIFEST-005"),
    "dangling artifact": (
        as_json(document(components=[{"name": "x", "type": "agent", "version": "1", "artifact": "y"}])),
        "VD-MANIFEST-005",
    ),
    "dangling dependency": (
        as_json(document(components=[{"name": "x", "type": "agent", "version": "1", "depends_on": ["y"]}])),
        "VD-MANIFEST-005",
    ),
    "circle": (
        as_json(document(components=[{"name": "x", "type": "agent", "version": "1", "depends_on": ["x"]}])),
        "VD-MANIFEST-005",
    ),
    "expired": (as_json(document(expires_at=PAST, created_at="2026-01-01T00:00:00Z")), "VD-MANIFEST-006"),
}


@pytest.mark.parametrize("name", BAD_CONTENT)
def test_a_bad_release_manifest_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, name: str
) -> None:
    content, code = BAD_CONTENT[name]
    release_maker.push_release_manifest(publisher, content)
    assert_refused(run(lab, MANIFEST), code, customer)


@pytest.mark.parametrize("wrong", [{"artifact_type": "application/vnd.other"}, {"media_type": "a/b"}, {"layers": 2}])
def test_an_artifact_that_is_no_release_manifest_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, wrong: dict[str, Any]
) -> None:
    form = {"artifact_type": release_maker.RELEASE_TYPE, **wrong}
    digest = publisher.push_artifact(RELEASE_REPOSITORY, "latest", as_json(document()), **form)
    publisher.sign(RELEASE_REPOSITORY, digest, usual_signer())
    assert_refused(run(lab, MANIFEST), "VD-MANIFEST-009", customer)


def test_an_absent_tag_is_refused(lab: LabUnderTest, customer: ContainerRegistry) -> None:
    assert_refused(run(lab, MANIFEST), "VD-MANIFEST-001", customer)
    assert_refused(run(lab, MANIFEST, release_tag="2026.1.0"), "VD-MANIFEST-001", customer)


def test_a_version_under_another_tag_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()), "2026.12.0")
    assert_refused(run(lab, MANIFEST, release_tag="2026.12.0"), "VD-MANIFEST-009", customer)


def test_the_same_version_with_another_content_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    first = run(lab, MANIFEST)
    release_maker.push_release_manifest(publisher, as_json(document(channel="other")))
    other = run(lab, MANIFEST, allow_downgrade=True)
    assert (other.error_code, other.writes()) == ("VD-MANIFEST-008", [])
    assert customer.digest(RELEASE_REPOSITORY, "latest") == first.result["changes"][0]["after"]


def test_a_version_tag_that_somebody_else_set_is_not_moved(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    customer.push_artifact(RELEASE_REPOSITORY, VERSION, b"something else")
    assert_refused(run(lab, MANIFEST), "VD-MANIFEST-008", customer)


def test_a_publisher_that_cannot_be_reached(lab: LabUnderTest, customer: ContainerRegistry) -> None:
    away = run(lab, MANIFEST, environ={"VIBEDATA_PUBLISHER_REGISTRY": "127.0.0.1:1"})
    assert_refused(away, "VD-REGISTRY-001", customer)
    assert "127.0.0.1:1" in away.text


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        (json.dumps({"username": "customer-2f4cfa0e", "password": "wrong-canary-password"}), "VD-REGISTRY-002"),
        ("canary-not-json", "VD-VAULT-002"),
        (json.dumps({"username": "u", "token": "wrong-canary-password"}), "VD-VAULT-002"),
        (json.dumps({"username": "u", "password": "canary"}), "VD-VAULT-002"),
        (json.dumps({"username": "a:b", "password": "wrong-canary-password"}), "VD-VAULT-002"),
    ],
)
def test_a_bad_token_is_refused_and_never_shown(
    lab: LabUnderTest, customer: ContainerRegistry, secrets: SecretClient, secret: str, code: str
) -> None:
    secrets.set_secret("publisher-acr-token", secret)
    refused = run(lab, MANIFEST)
    assert_refused(refused, code, customer)
    assert "canary" not in refused.text


def test_a_token_that_is_missing_or_disabled(
    lab: LabUnderTest, customer: ContainerRegistry, secrets: SecretClient
) -> None:
    version = secrets.get_secret("publisher-acr-token").properties.version
    secrets.update_secret_properties("publisher-acr-token", version, enabled=False)
    disabled = run(lab, MANIFEST)
    assert_refused(disabled, "VD-VAULT-001", customer)
    assert "az keyvault secret set-attributes --id" in disabled.text
    secrets.begin_delete_secret("publisher-acr-token").wait()
    deleted = run(lab, MANIFEST)
    assert_refused(deleted, "VD-VAULT-001", customer)
    assert "az keyvault secret recover --id" in deleted.text
    secrets.purge_deleted_secret("publisher-acr-token")
    absent = run(lab, MANIFEST)
    assert_refused(absent, "VD-VAULT-001", customer)
    assert "it is absent" in absent.text and "vibedata rotate-acr-token" in absent.text


@pytest.mark.parametrize(("days", "words"), [(-1, "it is expired"), (90, "it is not yet valid")])
def test_a_token_that_is_out_of_its_time(
    lab: LabUnderTest, customer: ContainerRegistry, secrets: SecretClient, days: int, words: str
) -> None:
    at = datetime.now(timezone.utc) + timedelta(days=days)
    secrets.update_secret_properties("publisher-acr-token", not_before=at - timedelta(days=60), expires_on=at)
    refused = run(lab, MANIFEST)
    assert_refused(refused, "VD-VAULT-003", customer)
    assert words in refused.text


def test_a_container_that_is_not_there_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    other = run(lab, MANIFEST, settings={"storage_account": "otherstorage"})
    assert_refused(other, "VD-STORAGE-001", customer)
    assert "otherstorage" in other.text
    lab.fault("status", status=404, code="ContainerNotFound", times=0, match={"service": "blob", "path": "comp=list"})
    assert_refused(run(lab, MANIFEST), "VD-STORAGE-001", customer)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccountIsReadOnly"), (403, "AuthorizationPermissionMismatch"), (507, "InsufficientStorage")],
)
def test_storage_that_takes_no_data(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, status: int, code: str
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    put = {"service": "blob", "method": "PUT", "path": "/release-manifests/"}
    lab.fault("status", status=status, code=code, times=0, match=put)
    full = run(lab, MANIFEST)
    assert full.error_code == "VD-STORAGE-002", full.text
    assert code in full.text
    assert customer.digest(RELEASE_REPOSITORY, "latest") is None  # the customer sees no half release


def test_a_customers_registry_that_refuses_the_identity(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("status", status=403, times=0, match={"service": "customer_registry", "path": "/oauth2/exchange"})
    refused = run(lab, MANIFEST)
    lab.clear_faults()
    assert_refused(refused, "VD-REGISTRY-003", customer)
    assert "30 minutes" in refused.text
    assert refused.result["error"]["retryable"]


def test_the_publishers_throttling_is_waited_out(lab: LabUnderTest, publisher: ContainerRegistry) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("throttle", seconds=1, times=2, match={"service": "publisher_registry", "path": "/manifests/latest"})
    assert run(lab, MANIFEST).status == "succeeded"


def test_throttling_without_an_end_is_not_taken_for_absence(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, as_json(document()))
    lab.fault("throttle", seconds=1, times=0, match={"service": "customer_registry", "path": "/manifests/latest"})
    refused = run(lab, MANIFEST)
    lab.clear_faults()
    assert_refused(refused, "VD-REGISTRY-004", customer)


def test_an_identity_endpoint_that_is_absent(
    lab: LabUnderTest, customer: ContainerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/oauth2/token")
    refused = run(lab, MANIFEST, environ={"IDENTITY_ENDPOINT": "http://127.0.0.1:1/oauth2/token"})
    assert_refused(refused, "VD-IDENTITY-001", customer)


@pytest.mark.parametrize("given", [{"release_tag": "a b"}, {"release_tag": 1}, {"allow_downgrade": "yes"}, {"x": 1}])
def test_a_malformed_parameter_ends_the_run_before_any_request(lab: LabUnderTest, given: dict[str, Any]) -> None:
    refused = run(lab, MANIFEST, **given)
    assert (refused.exit_code, refused.requests) == (2, [])
    assert refused.error_code.startswith("VD-PARAM-")


def test_a_blob_of_another_content_is_tampering(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: ContainerRegistry, blobs: BlobServiceClient
) -> None:
    content = as_json(document())
    release_maker.push_release_manifest(publisher, content)
    name = f"{VERSION}/{digest_of(content).removeprefix('sha256:')}.json"
    with pytest.raises(ResourceNotFoundError):
        blobs.get_blob_client("release-manifests", name).get_blob_properties()
    blobs.get_blob_client("release-manifests", name).upload_blob(b"something else")
    assert_refused(run(lab, MANIFEST), "VD-STORAGE-003", customer)
