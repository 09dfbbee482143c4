"""The engine over the wire: a change with a successful answer that does not show is not done."""

from tests.support import release_maker
from tests.support.release_maker import RELEASE_REPOSITORY, as_json, document
from tests.support.runbook_run import MANIFEST, run
from tests.support.running_lab import LabUnderTest


def test_a_write_that_does_not_show_is_a_failure_and_the_next_run_takes_it_up(lab: LabUnderTest) -> None:
    publisher = release_maker.container_registry(lab, "publisher")
    customer = release_maker.container_registry(lab, "customer")
    digest = release_maker.push_release_manifest(publisher, as_json(document()))
    stored = {"service": "blob", "method": "GET", "path": "/release-manifests/.*/[0-9a-f]{64}.json"}
    lab.fault("status", status=404, code="BlobNotFound", times=0, match=stored)
    unseen = run(lab, MANIFEST)
    assert (unseen.exit_code, unseen.error_code) == (1, "VD-ENGINE-001"), unseen.text
    assert sorted(unseen.outcomes().values()) == [*["done"] * 3, "failed", *["skipped"] * 2]
    assert "observed nothing" in unseen.text
    assert customer.digest(RELEASE_REPOSITORY, "latest") is None  # the last change was not made

    lab.clear_faults()
    again = run(lab, MANIFEST)
    assert (again.status, again.result["changed"]) == ("succeeded", 2), again.text
    assert customer.digest(RELEASE_REPOSITORY, "latest") == digest
