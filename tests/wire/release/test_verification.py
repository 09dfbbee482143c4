"""The hop from the publisher: the signature that a release needs, other signatures beside a good one, and the log of
it.

Each refusal comes before the content is requested, and before anything is written.
"""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support import release_maker
from tests.support.log_reader import table_rows
from tests.support.release_maker import RELEASE_REPOSITORY, ContainerRegistry, as_json, digest_of, document
from tests.support.release_signer import DAY, descriptor, new_signer, usual_signer
from tests.support.runbook_run import IMAGES, MANIFEST, QuickClock, Run, run
from tests.support.running_lab import LabUnderTest

VERSION = "2026.11.0"
CONTENT = as_json(document())
REFERRERS = {"service": "publisher_registry", "path": "/referrers/"}


@pytest.fixture
def publisher(lab: LabUnderTest) -> ContainerRegistry:
    return release_maker.container_registry(lab, "publisher")


def refused(lab: LabUnderTest, code: str, **given: Any) -> Run:
    """Run import_manifest. It must refuse the release because of its signature."""
    ended = run(lab, MANIFEST, **given)
    assert (ended.exit_code, ended.error_code) == (1, code), ended.text
    assert ended.writes() == []
    assert ended.sent("publisher_registry", "GET", f"/blobs/{digest_of(CONTENT)}") == []
    return ended


# --- Who signed -------------------------------------------------------------------------------------------------------


def test_an_unsigned_release_is_refused(lab: LabUnderTest, publisher: ContainerRegistry) -> None:
    digest = release_maker.push_unsigned(publisher, CONTENT)
    ended = refused(lab, "VD-TRUST-001")
    # The log also says it about this artifact, and nothing says "verified".
    (event,) = [row for row in table_rows(lab) if row["Action"] == "verify"]
    assert (event["Outcome"], event["ErrorCode"], event["RunId"]) == ("refused", "VD-TRUST-001", ended.result["run_id"])
    assert digest in event["Message"]


def verifications(lab: LabUnderTest, ended: Run) -> list[dict[str, Any]]:
    """Return the log's events about a run's verifications, with their details."""
    rows = [row for row in table_rows(lab) if row["Action"] == "verify" and row["RunId"] == ended.result["run_id"]]
    return [{**row, "Details": json.loads(row["Details"])} for row in rows]


def test_the_log_tells_by_which_certificate_a_release_was_verified_at_every_hop(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    digest = release_maker.push_release_manifest(publisher, CONTENT)
    (signature,) = publisher.referrers(RELEASE_REPOSITORY, digest)
    offered = f"{lab.env['VIBEDATA_PUBLISHER_REGISTRY']}/{RELEASE_REPOSITORY}:latest"
    imported = f"{lab.env['VIBEDATA_CUSTOMER_REGISTRY']}/{RELEASE_REPOSITORY}@{signature['digest']}"
    stored = f"release-manifests/{VERSION}/{digest_of(CONTENT).removeprefix('sha256:')}"
    done = run(lab, MANIFEST)
    assert done.status == "succeeded"
    signer = usual_signer()
    events = verifications(lab, done)
    # Three events: the offered release, the arrived one, and the one that will be read, before `latest` moves.
    assert [(event["Step"], event["Target"], event["Outcome"]) for event in events] == [
        ("observe", offered, "verified"),
        ("verify", imported, "verified"),
        ("verify", f"{stored}.json", "verified"),
    ]
    for event in events:
        told = {name: event["Details"][name] for name in ("Digest", "Certificate", "TrustRoot", "Algorithm")}
        assert told == {
            "Digest": digest,
            "Certificate": signer.leaf_fingerprint,
            "TrustRoot": signer.root_fingerprint,
            "Algorithm": "ES256",
        }
    again = run(lab, MANIFEST)
    assert again.status == "unchanged"
    assert [(event["Target"], event["Outcome"]) for event in verifications(lab, again)] == [
        (offered, "verified"),
        (f"{stored}.jws", "verified"),
        (imported, "verified"),
    ]


def test_the_log_tells_of_a_verification_that_the_storage_did_not_answer(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    release_maker.push_release_manifest(publisher, CONTENT)
    assert run(lab, MANIFEST).status == "succeeded"
    lab.fault("status", status=403, times=0, match={"service": "blob", "path": ".jws"})
    ended = run(lab, IMAGES)
    assert ended.error_code == "VD-NET-003", ended.text
    (event,) = verifications(lab, ended)
    assert (event["Outcome"], event["ErrorCode"]) == ("refused", "VD-NET-003")


@pytest.mark.parametrize(
    ("signer", "code"),
    [
        (new_signer, "VD-TRUST-008"),
        (lambda: new_signer(name="CN=Somebody,O=Else,ST=Noord-Holland,C=NL", root=usual_signer().root), "VD-TRUST-009"),
        (lambda: new_signer(end=datetime.now(timezone.utc) - DAY / 2, root=usual_signer().root), "VD-TRUST-007"),
    ],
    ids=["another root", "another name", "an ended certificate"],
)
def test_a_signature_that_is_not_the_publishers_is_refused(
    lab: LabUnderTest, publisher: ContainerRegistry, signer: Any, code: str
) -> None:
    made = signer()
    release_maker.push_release_manifest(publisher, CONTENT, signer=made)
    (event,) = verifications(lab, refused(lab, code))
    assert (event["Outcome"], event["ErrorCode"]) == ("refused", code)
    assert event["Details"]["Certificate"] == made.leaf_fingerprint


def test_an_expired_signature_and_one_of_another_release_are_refused(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    now = datetime.now(timezone.utc)
    artifact = descriptor(publisher.manifest(RELEASE_REPOSITORY, release_maker.push_unsigned(publisher, CONTENT)))
    other = {**artifact, "digest": digest_of(b"another")}
    expired = usual_signer().envelope(artifact, signing_time=now - 2 * DAY, expiry=now - DAY)
    publisher.push_signature(RELEASE_REPOSITORY, artifact, expired)
    refused(lab, "VD-TRUST-010")
    publisher.push_signature(RELEASE_REPOSITORY, artifact, usual_signer().envelope(other))
    told = refused(lab, "VD-TRUST-013")
    assert "VD-TRUST-010" in told.text and "VD-TRUST-011" in told.text


def test_the_first_good_signature_counts_whatever_else_is_there(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    digest = release_maker.push_release_manifest(publisher, CONTENT, signer=new_signer())
    artifact = descriptor(publisher.manifest(RELEASE_REPOSITORY, digest))
    publisher.push_signature(RELEASE_REPOSITORY, artifact, b"\xd2\x84", media_type="application/cose")
    publisher.push_signature(RELEASE_REPOSITORY, artifact, b"{")
    broken = publisher.push_signature(RELEASE_REPOSITORY, artifact, usual_signer().envelope(artifact))
    # A signature that cannot be retrieved says nothing about another one. But if there is no good one, it may have been
    # the good one.
    lab.fault("status", status=503, times=0, match={"service": "publisher_registry", "path": f"/manifests/{broken}"})
    unknown = refused(lab, "VD-TRUST-014")
    assert unknown.result["error"]["retryable"] and "not signed" not in unknown.text
    good = publisher.sign(RELEASE_REPOSITORY, digest, usual_signer())
    done = run(lab, MANIFEST)
    assert done.status == "succeeded", done.text
    assert f"{RELEASE_REPOSITORY}@{good}" in done.outcomes()


def test_two_roots_are_pinned_while_the_publisher_changes_to_another(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    old, new = new_signer(), new_signer()
    pinned = {
        name: old.environment() | {"VIBEDATA_TRUST_ROOTS": ",".join(roots)}
        for name, roots in (
            ("old", [old.root_fingerprint]),
            ("both", [old.root_fingerprint, new.root_fingerprint]),
            ("new", [new.root_fingerprint]),
        )
    }
    release_maker.push_release_manifest(publisher, CONTENT, signer=old)
    assert run(lab, MANIFEST, environ=pinned["old"]).status == "succeeded"
    later = as_json(document(version="2026.12.0"))
    release_maker.push_release_manifest(publisher, later, signer=new)
    assert run(lab, MANIFEST, environ=pinned["old"]).error_code == "VD-TRUST-008"
    # With both pins, the installed release is read as before, and the next release can come.
    assert run(lab, IMAGES, environ=pinned["both"], plan_only=True).error_code in ("", "VD-MANIFEST-012")
    assert run(lab, MANIFEST, environ=pinned["both"]).status == "succeeded"
    # The old pin is removed when the installed release has the new root. The releases before it cannot be read any
    # more.
    assert run(lab, MANIFEST, environ=pinned["new"]).status == "unchanged"
    assert run(lab, IMAGES, environ=pinned["new"], plan_only=True).error_code in ("", "VD-MANIFEST-012")
    former = run(lab, IMAGES, environ=pinned["new"], plan_only=True, release_version=VERSION)
    assert former.error_code == "VD-TRUST-008"


# --- Whom to trust ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VIBEDATA_TRUST_ROOTS", "VIBEDATA_TRUSTED_IDENTITY"])
def test_without_a_pin_no_release_is_read(lab: LabUnderTest, publisher: ContainerRegistry, name: str) -> None:
    release_maker.push_release_manifest(publisher, CONTENT)
    ended = run(lab, MANIFEST, environ={name: ""})
    assert (ended.exit_code, ended.error_code, ended.writes()) == (2, "VD-TRUST-030", [])


def test_a_person_who_starts_a_job_cannot_choose_whom_to_trust(lab: LabUnderTest, publisher: ContainerRegistry) -> None:
    mallory = new_signer()
    release_maker.push_release_manifest(publisher, CONTENT, signer=mallory)
    ended = run(lab, MANIFEST, settings={"trust_roots": mallory.root_fingerprint})
    assert (ended.exit_code, ended.error_code, ended.requests) == (2, "VD-TRUST-031", [])


# --- The list of signatures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"action": "status", "status": 401}, "VD-REGISTRY-002"),
        ({"action": "status", "status": 403}, "VD-REGISTRY-002"),
        ({"action": "throttle", "seconds": 1}, "VD-REGISTRY-004"),
        ({"action": "status", "status": 500}, "VD-REGISTRY-004"),
        ({"action": "reset_before"}, "VD-REGISTRY-001"),
    ],
    ids=["401", "403", "429", "500", "reset"],
)
def test_a_list_that_cannot_be_had_is_no_empty_list(
    lab: LabUnderTest, publisher: ContainerRegistry, fault: dict[str, Any], code: str
) -> None:
    release_maker.push_unsigned(publisher, CONTENT)
    lab.fault(match=REFERRERS, times=0, **fault)
    ended = refused(lab, code)
    status = fault.get("status") or {"throttle": 429}.get(fault["action"])
    assert status is None or f"status {status}" in ended.text
    assert "referrers of" in ended.text or status is None


def test_without_the_referrers_api_the_tag_lists_the_signatures(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    digest = release_maker.push_release_manifest(publisher, CONTENT)
    listed = publisher.referrers(RELEASE_REPOSITORY, digest)
    lab.fault("status", status=404, times=0, match=REFERRERS)
    refused(lab, "VD-TRUST-001")
    tag = digest.replace(":", "-")
    index = {"schemaVersion": 2, "mediaType": release_maker.OCI_INDEX, "manifests": listed}
    publisher.push_manifest(RELEASE_REPOSITORY, tag, index)
    assert run(lab, MANIFEST).status == "succeeded"


def test_a_signature_at_the_customers_that_is_gone_is_brought_again(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    customer = release_maker.container_registry(lab, "customer")
    digest = release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    assert run(lab, MANIFEST).status == "succeeded"
    (signature,) = customer.referrers(RELEASE_REPOSITORY, digest)
    assert customer.call("DELETE", f"{RELEASE_REPOSITORY}/manifests/{signature['digest']}").status_code == 202
    again = run(lab, MANIFEST)
    assert again.outcomes() == {f"{RELEASE_REPOSITORY}@{signature['digest']}": "done"}, again.text


# --- Time -------------------------------------------------------------------------------------------------------------


class LateClock(QuickClock):
    """A clock that is two years ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=730)


def test_an_ended_certificate_installs_nothing_new_and_stops_nothing_that_is_installed(
    lab: LabUnderTest, publisher: ContainerRegistry
) -> None:
    now = datetime.now(timezone.utc)
    signer = new_signer(end=now + 365 * DAY, root=usual_signer().root)
    made = release_maker.release_of(publisher, 1, created_at="2026-01-01T00:00:00Z", expires_at="2027-01-01T00:00:00Z")
    release_maker.push_release_manifest(publisher, as_json(made), signer=signer)
    assert run(lab, MANIFEST).status == "succeeded"
    # Certificate and release have both ended. The installed release can still be used.
    lab.control("POST", "/clock", {"offset_seconds": 730 * 86400})
    assert run(lab, IMAGES, clock=LateClock()).status == "succeeded"
    refused(lab, "VD-TRUST-007", clock=LateClock())
    later = as_json(document(version="2029.1.0", expires_at="2030-01-01T00:00:00Z"))
    release_maker.push_release_manifest(publisher, later, signer=signer)
    refused(lab, "VD-TRUST-007", clock=LateClock())
    assert json.loads(later)["version"] > made["version"]
