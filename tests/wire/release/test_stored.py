"""A release in artifact storage: without a signature, written by somebody else, and the releases that count as
installed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

import pytest

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.release.installed import MAX_NO_GOOD, list_blobs, verified_releases
from runbook_lib.release.model import ReleaseId
from runbook_lib.run.output import JobOutput
from tests.support import installed, release_maker
from tests.support.installed import Customer
from tests.support.log_reader import table_rows
from tests.support.release_maker import RELEASE_REPOSITORY, ContainerRegistry, as_json, digest_of, document
from tests.support.release_signer import new_signer, usual_signer
from tests.support.runbook_run import IMAGES, MANIFEST, run
from tests.support.running_lab import LabUnderTest

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
    # The signature, in two places, and the signed artifact.
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
    """A person who may write blobs can neither keep a release out with a name, nor let an older one in, because nobody
    can delete.
    """
    newer = as_json(document(version="2026.12.0"))
    other = as_json(document(channel="other"))
    put(customer, {f"9999.1.0/{'a' * 64}.json": b"{}"})
    put(customer, release_maker.stored_parts("2026.12.0", digest_of(newer), newer, signer=new_signer()))
    put(customer, {f"{VERSION}/{digest_of(other).removeprefix('sha256:')}.json": other})
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    done = run(lab, MANIFEST)
    assert done.status == "succeeded", done.text
    assert done.text.count(".json is bad: VD-TRUST-") == 3
    # Readers also ignore the blob beside it, which has the same version.
    assert run(lab, IMAGES, plan_only=True, release_version=VERSION).status == "planned"

    put(customer, release_maker.stored_parts("2026.13.0", digest_of(b"x"), b"x"))
    again = as_json(document(version="2026.13.0"))
    put(customer, release_maker.stored_parts("2026.13.0", digest_of(again), again))
    release_maker.push_release_manifest(publisher, as_json(document(version="2026.12.1")), "latest")
    refused = run(lab, MANIFEST)
    assert (refused.error_code, refused.writes()) == ("VD-MANIFEST-007", []), refused.text


def test_any_number_of_bad_names_costs_limited_requests_and_is_reported_once(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    newest = as_json(document(version="2026.13.0"))
    put(customer, release_maker.stored_parts("2026.13.0", digest_of(newest), newest))
    names = [f"9999.{number}.0/{'a' * 64}" for number in range(2 * MAX_NO_GOOD)]
    put(customer, {f"{name}.json": b"{}" for name in names})
    put(customer, {f"{name}.{part}": b"{}" for name in names[:MAX_NO_GOOD] for part in ("oci.json", "jws")})
    put(customer, {f"junk/{number}": b"" for number in range(10)})
    release_maker.push_release_manifest(publisher, CONTENT, VERSION, "latest")
    asked = len(lab.journal(service="blob"))
    # The release that was there first keeps an older one out, however many others there are.
    done = run(lab, MANIFEST)
    assert done.error_code == "VD-MANIFEST-007", done.text
    assert done.text.count(".json is bad: VD-TRUST-") == MAX_NO_GOOD
    assert done.text.count(f"{MAX_NO_GOOD} more in release-manifests were not looked at") == 1
    assert len(lab.journal(service="blob")) - asked < 3 * MAX_NO_GOOD + 20
    # The others keep nothing out.
    assert run(lab, MANIFEST, allow_downgrade=True).status == "succeeded"


def test_more_names_than_can_be_looked_through_are_an_error(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(customer, {f"junk/{number}": b"" for number in range(4)})
    assert list_blobs(customer.blobs) == {}
    monkeypatch.setattr("runbook_lib.network.listing.MAX_LISTED", 3)
    with pytest.raises(RunbookError) as caught:
        list_blobs(customer.blobs)
    assert caught.value.code == "VD-STORAGE-005"


def test_a_release_that_cannot_be_read_is_not_taken_for_none(
    lab: LabUnderTest, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a token that ends in the middle of a run would let an older release in."""
    put(customer, release_maker.stored_parts(VERSION, digest_of(CONTENT), CONTENT))
    stored = (ReleaseId(VERSION, digest_of(CONTENT)),)
    with context_as(lab, lab.env["VIBEDATA_UAMI_CLIENT_ID"], monkeypatch) as known:
        assert [one.id for one in verified_releases(known, stored)] == list(stored)
    with (
        context_as(lab, "99999999-8888-7777-6666-555555555555", monkeypatch) as unknown,
        pytest.raises(RunbookError) as caught,
    ):
        verified_releases(unknown, stored)
    assert caught.value.code == "VD-IDENTITY-001"


@contextmanager
def context_as(lab: LabUnderTest, client_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """A run's context, as the managed identity of that client id."""
    environ = {**os.environ, **lab.env}
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, environ[name])
    settings = replace(load({}, environ, None), uami_client_id=client_id)
    clients = AzureClients(
        settings=settings,
        credential=credential(settings, environ),
        retry_policy_source=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    redactor = Redactor()
    yield Context(
        settings=settings,
        clients=clients,
        clock=SYSTEM_CLOCK,
        output=JobOutput(BytesIO(), redactor=redactor, clock=SYSTEM_CLOCK, full_record="the log"),
        redactor=redactor,
        retry_policy=NetworkRetryPolicy,
        run_id="run",
        correlation_id="correlation",
        record=lambda _: None,
        deliver_log=lambda: None,
    )
    clients.session.close()


def test_a_change_of_pins_does_not_allow_a_downgrade(
    lab: LabUnderTest, publisher: ContainerRegistry, customer: Customer
) -> None:
    old, new = new_signer(), new_signer()
    newer = as_json(document(version="2026.12.0"))
    release_maker.push_release_manifest(publisher, newer, "latest", signer=old)
    assert run(lab, MANIFEST, environ=old.environment()).status == "succeeded"
    release_maker.push_release_manifest(publisher, CONTENT, "latest", signer=new)
    # That name is no release of the artifact that `latest` points to.
    genuine = release_maker.stored_parts("9999.1.0", digest_of(newer), newer, signer=old)
    put(customer, genuine)
    back = run(lab, MANIFEST, environ=new.environment())
    assert (back.error_code, back.writes()) == ("VD-MANIFEST-007", []), back.text
    assert "2026.12.0 is installed" in back.text
    # A person who wants this gives the option. From then on releases that only the old root signed block nothing.
    assert run(lab, MANIFEST, environ=new.environment(), allow_downgrade=True).status == "succeeded"
    release_maker.push_release_manifest(publisher, as_json(document(version="2026.11.1")), "latest", signer=new)
    assert run(lab, MANIFEST, environ=new.environment()).status == "succeeded"


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
