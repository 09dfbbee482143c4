"""The lock of a deployment in the lab's storage: who holds it, who is refused, how it is lost, and what is left
behind.
"""

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobLeaseClient

from runbook_lib.deployment_lock.content import DeploymentJobs, read_content
from runbook_lib.deployment_lock.lock import holding
from runbook_lib.errors import RunbookError
from tests.support import lock_rig
from tests.support.fake_clock import FakeClock
from tests.support.lock_rig import SHORT_SECONDS, break_lease, content, deployment, holder, lease_state, places
from tests.support.running_lab import LabUnderTest

BOTH = {"service": "blob", "path": "/(deployments|locks)/"}


def refusal(lab: LabUnderTest, **options: Any) -> RunbookError:
    """Let a second deployment try, and return why it was refused."""
    with (
        pytest.raises(RunbookError) as refused,
        holding(deployment(lab.env, **options), places(lab.env), wait_seconds=0),
    ):
        raise AssertionError("it was let in")
    return refused.value


def test_a_deployment_holds_both_and_says_who_it_is(lab: LabUnderTest) -> None:
    subscription, instance = found = places(lab.env)
    assert (subscription.container, subscription.blob) == ("deployments", lab.env["VIBEDATA_SUBSCRIPTION_ID"])
    assert (instance.container, instance.blob) == ("locks", "deployment")
    lock = deployment(lab.env, who="ada@desk", correlation_id="corr-1")
    with holding(lock, found, wait_seconds=0):
        assert [lease_state(place) for place in found] == ["leased", "leased"]
        for step in ("publish", "import_manifest"):
            lock.begin(step)
            told = [read_content(content(place)) for place in found]
            assert {(each.who, each.step, each.ended) for each in told if each} == {("ada@desk", step, False)}
            assert {each.jobs.correlation_id for each in told if each} == {"corr-1"}
    assert [lease_state(place) for place in found] == ["available", "available"]
    ended = [read_content(content(place)) for place in found]
    assert [each.ended for each in ended if each] == [True, True]


def test_a_second_comer_is_told_who_holds_it_and_what_to_do(lab: LabUnderTest) -> None:
    lock = deployment(lab.env, who="ada@desk", correlation_id="corr-1")
    with holding(lock, places(lab.env), wait_seconds=0):
        lock.begin("import_images")
        refused = refusal(lab)
    assert (refused.code, refused.exit_code, refused.retryable) == ("VD-LOCK-001", 3, True)
    assert refused.target == "the lock of the subscription"
    told = r"held by ada@desk, since .* UTC \(\d+ s\), at step import_images \(\d+ s\); correlation id corr-1"
    assert re.fullmatch(told, refused.detail)
    assert "--wait" in refused.remedy


def test_a_deployment_that_cannot_get_the_second_lock_gives_back_the_first(lab: LabUnderTest) -> None:
    subscription, instance = places(lab.env)
    with holding(deployment(lab.env, who="job@sandbox"), [instance], wait_seconds=0):
        refused = refusal(lab)
        assert refused.target == "the lock of the instance"
        assert "job@sandbox" in refused.detail
        assert lease_state(subscription) == "available"
        told = read_content(content(subscription))
    assert told is not None
    assert told.ended  # it began no step, so nobody has to look for its jobs


def test_two_instances_of_one_subscription_are_kept_apart(lab: LabUnderTest) -> None:
    subscription, instance = places(lab.env)
    other = replace(instance, blob="deployment-of-another-instance")
    with (
        holding(deployment(lab.env), [subscription, instance], wait_seconds=0),
        pytest.raises(RunbookError) as refused,
        holding(deployment(lab.env), [subscription, other], wait_seconds=0),
    ):
        raise AssertionError("it was let in")
    assert refused.value.target == "the lock of the subscription"


def test_a_waiting_deployment_reports_the_holder_and_gets_the_lock_after_it(lab: LabUnderTest) -> None:
    lines: list[str] = []
    clock = FakeClock()
    with holder(lab) as other:
        assert other.take() == "held"

        def report(line: str) -> None:
            lines.append(line)
            if len(lines) == 3:
                other.give_back()

        with holding(deployment(lab.env, report=report, clock=clock), places(lab.env), wait_seconds=3600):
            assert other.take() == "VD-LOCK-001"
    assert len(lines) == 3
    assert re.match(r"waiting for the lock of the subscription, 0 s of 60 min 00 s: held by process \d+, ", lines[0])
    assert all("at step publish" in line for line in lines)


def test_waiting_has_an_end(lab: LabUnderTest) -> None:
    clock = FakeClock()
    with holding(deployment(lab.env), places(lab.env), wait_seconds=0):
        began = clock.monotonic()
        with (
            pytest.raises(RunbookError) as refused,
            holding(deployment(lab.env, clock=clock), places(lab.env), wait_seconds=60),
        ):
            raise AssertionError("it was let in")
    assert refused.value.code == "VD-LOCK-001"
    assert refused.value.detail.endswith("; waited 60 s")
    assert clock.monotonic() - began == 60


def test_the_time_to_wait_counts_for_both_together(lab: LabUnderTest) -> None:
    subscription, instance = places(lab.env)
    clock = FakeClock()
    lines: list[str] = []
    first = deployment(lab.env)

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            first.give_back(ended=True)

    first.take(subscription, wait_seconds=0)
    with (
        holding(deployment(lab.env), [instance], wait_seconds=0),
        pytest.raises(RunbookError) as refused,
        holding(deployment(lab.env, clock=clock, report=report), [subscription, instance], wait_seconds=60),
    ):
        raise AssertionError("it was let in")
    assert (refused.value.code, refused.value.target) == ("VD-LOCK-001", "the lock of the instance")
    assert clock.monotonic() == 60


def test_a_lock_that_lives_longer_than_its_lease_is_renewed(lab: LabUnderTest) -> None:
    lock = deployment(lab.env, lease_seconds=SHORT_SECONDS)
    since = lab.last_request()
    with holding(lock, places(lab.env), wait_seconds=0):
        time.sleep(SHORT_SECONDS + 3)
        lock.begin("publish")
        assert refusal(lab).code == "VD-LOCK-001"
    renewals = [entry for entry in lab.journal(since=since) if "comp=lease" in entry["path"]]
    assert len(renewals) >= 2 * 4


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [SHORT_SECONDS, 60])
def test_a_killed_deployment_leaves_a_lock_that_is_free_after_its_lease_and_jobs_to_look_for(
    lab: LabUnderTest, seconds: int
) -> None:
    found = places(lab.env)
    with holder(lab, lease_seconds=seconds) as other:
        assert other.take() == "held"
        other.process.kill()
        killed = time.monotonic()
    assert refusal(lab).code == "VD-LOCK-001"  # not too early
    lock = deployment(lab.env)
    with holding(lock, found, wait_seconds=seconds + 30):
        waited = time.monotonic() - killed
        left = lock.former_jobs()
        lock.former_jobs_ended()
        lock.begin("publish")
        again = [read_content(content(place)) for place in found]
    # When its holder died, the lease was at most as old as the time between two renewals.
    assert seconds * 0.7 < waited < seconds + 30
    (jobs,) = left
    assert jobs.automation_account == lab.env["VIBEDATA_AUTOMATION_ACCOUNT"]
    assert [each.former_jobs for each in again if each] == [None, None]


def test_a_lease_that_somebody_ends_lets_no_further_step_begin(lab: LabUnderTest) -> None:
    for number in (0, 1):
        found = places(lab.env)
        lock = deployment(lab.env)
        with pytest.raises(RunbookError) as lost, holding(lock, found, wait_seconds=0):
            lock.begin("publish")
            break_lease(found[number])
            lock.begin("import_manifest")
        assert (lost.value.code, lost.value.retryable) == ("VD-LOCK-002", True)
        assert lost.value.target == found[number].name
        assert "412" in lost.value.detail
        # The other lease is given back, so a successor does not have to wait.
        assert all(lease_state(place) != "leased" for place in found)


def test_a_successor_keeps_what_it_has_taken(lab: LabUnderTest) -> None:
    found = places(lab.env)
    first = deployment(lab.env, who="ada")
    second = deployment(lab.env, who="bob")
    with holding(second, [], wait_seconds=0):
        with pytest.raises(RunbookError) as lost, holding(first, found, wait_seconds=0):
            for place in found:
                break_lease(place)
                second.take(place, wait_seconds=0)
            first.begin("publish")
        assert lost.value.code == "VD-LOCK-002"
        assert [lease_state(place) for place in found] == ["leased", "leased"]
        told = [read_content(content(place)) for place in found]
        assert [each.who for each in told if each] == ["bob", "bob"]


def test_a_network_that_is_away_for_longer_than_the_lease_loses_it(lab: LabUnderTest) -> None:
    lock = deployment(lab.env, lease_seconds=SHORT_SECONDS)
    lines: list[str] = []
    lock.report = lines.append
    with pytest.raises(RunbookError) as lost, holding(lock, places(lab.env), wait_seconds=0):
        lab.fault("reset_before", times=0, match=BOTH)
        deadline = time.monotonic() + 4 * SHORT_SECONDS
        while not lock.is_lost():
            assert time.monotonic() < deadline
            time.sleep(0.5)
        lab.clear_faults()
        # No step begins, although the service would confirm the lease again: the request to free it never arrived.
        lock.begin("publish")
    assert lost.value.code == "VD-LOCK-002"
    assert "no renewal was confirmed for 15 s; the last attempt: " in lost.value.detail


def test_a_network_that_comes_back_in_time_loses_nothing(lab: LabUnderTest) -> None:
    lock = deployment(lab.env, lease_seconds=SHORT_SECONDS)
    with holding(lock, places(lab.env), wait_seconds=0):
        lab.fault("status", status=503, times=0, match=BOTH)
        time.sleep(SHORT_SECONDS * 0.6)
        lab.clear_faults()
        time.sleep(SHORT_SECONDS * 0.6)
        lock.begin("publish")
        assert not lock.is_lost()


def test_a_step_that_the_service_does_not_confirm_does_not_begin(lab: LabUnderTest) -> None:
    lines: list[str] = []
    lock = deployment(lab.env, report=lines.append)
    found = places(lab.env)
    with holding(deployment(lab.env), found, wait_seconds=0):
        pass
    lab.fault("status", status=403, times=0, match={**BOTH, "method": "PUT", "path": "/locks/deployment$"})
    with pytest.raises(HttpResponseError) as unconfirmed, holding(lock, found, wait_seconds=0):
        raise AssertionError("it was let in")
    assert unconfirmed.value.status_code == 403
    (warning,) = lines
    assert "the lock of the instance was not given back; it is free within 60 s: VD-NET-003" in warning
    assert [lease_state(place) for place in found] == ["available", "available"]


HOSTILE = (b"", b"\x1b]0;owned\x07", b'{"who": "ada"}', b"x" * 5_000_000)


@pytest.mark.parametrize("written", HOSTILE, ids=["empty", "control", "another", "long"])
def test_a_lock_with_foreign_content_can_still_be_taken(lab: LabUnderTest, written: bytes) -> None:
    found = places(lab.env)
    with holding(deployment(lab.env), found, wait_seconds=0):
        pass
    lock_rig.overwrite(found[1], written)
    lines: list[str] = []
    lock = deployment(lab.env, report=lines.append)
    since = lab.last_request()
    with holding(lock, found, wait_seconds=0):
        assert lock.former_jobs() == ()
    (warning,) = lines
    assert "WARNING: VD-LOCK-004" in warning
    assert warning.isascii()
    assert "\x1b" not in warning
    read = [entry for entry in lab.journal(since=since) if entry["method"] == "GET"]
    assert len(read) == 2


def test_a_holder_whose_entry_cannot_be_read_holds_it_all_the_same(lab: LabUnderTest) -> None:
    subscription, instance = places(lab.env)
    container = subscription.blob_service.create_container(subscription.container)
    blob = container.upload_blob(subscription.blob, b"\x1b[2J mine")
    BlobLeaseClient(blob).acquire(60)
    refused = refusal(lab)
    assert (refused.code, refused.exit_code) == ("VD-LOCK-001", 3)
    assert refused.detail == "held by somebody whose entry cannot be read: it is no JSON"
    assert not list(instance.blob_service.get_container_client(instance.container).list_blobs())


def test_ctrl_c_gives_both_back_and_names_the_jobs_that_go_on(lab: LabUnderTest) -> None:
    found = places(lab.env)
    first = deployment(lab.env, correlation_id="corr-1")
    with pytest.raises(KeyboardInterrupt), holding(first, found, wait_seconds=0):
        first.begin("import_images")
        raise KeyboardInterrupt
    assert [lease_state(place) for place in found] == ["available", "available"]
    successor = deployment(lab.env, correlation_id="corr-2")
    with pytest.raises(KeyboardInterrupt), holding(successor, found, wait_seconds=0):
        (left,) = successor.former_jobs()
        assert left.correlation_id == "corr-1"
        successor.begin("former jobs")
        raise KeyboardInterrupt  # before it has looked for the jobs
    third = deployment(lab.env)
    with holding(third, found, wait_seconds=0):
        assert third.former_jobs() == (left,)
        third.former_jobs_ended()
    fourth = deployment(lab.env)
    with holding(fourth, found, wait_seconds=0):
        assert fourth.former_jobs() == ()


def test_each_former_holder_is_named_once(lab: LabUnderTest) -> None:
    subscription, instance = found = places(lab.env)
    for place, name in ((subscription, "of-another-instance"), (instance, "of-this-one")):
        with pytest.raises(KeyboardInterrupt), holding(lock := deployment(lab.env), [place], wait_seconds=0):
            lock.jobs = DeploymentJobs(correlation_id=name, resource_group="a-group", automation_account="an-account")
            lock.begin("publish")
            raise KeyboardInterrupt
    successor = deployment(lab.env)
    with holding(successor, found, wait_seconds=0):
        of_other, of_own = successor.former_jobs()
    assert of_other == DeploymentJobs(
        correlation_id="of-another-instance", resource_group="a-group", automation_account="an-account"
    )
    # A person who may write the instance's blob cannot choose the account in which a successor looks.
    assert of_own == replace(successor.jobs, correlation_id="of-this-one")


def test_a_deployment_that_ends_before_its_job_names_the_job(lab: LabUnderTest) -> None:
    found = places(lab.env)
    first = deployment(lab.env, correlation_id="corr-1")
    with holding(first, found, wait_seconds=0):
        first.begin("import_images")
        first.jobs_go_on()
        first.begin("report")
    assert [lease_state(place) for place in found] == ["available", "available"]
    successor = deployment(lab.env)
    with holding(successor, found, wait_seconds=0):
        assert [jobs.correlation_id for jobs in successor.former_jobs()] == ["corr-1"]
