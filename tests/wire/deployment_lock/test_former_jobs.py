"""Jobs that a former deployment left in the Automation account are found, and waited for or stopped.

Other jobs are not.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.deployment_lock import former_jobs
from runbook_lib.deployment_lock.lock import holding
from runbook_lib.errors import RunbookError
from runbook_lib.run.parameters import encode
from tests.support.automation import Automation, automation, wait_for
from tests.support.fake_clock import FakeClock
from tests.support.lock_rig import break_lease, deployment, places, quick_session
from tests.support.running_lab import LabUnderTest
from vibedata.deployment.lock import LockOptions, locked

LONG = "import time\ntime.sleep(600)\n"
SHORT = "import time\ntime.sleep(5)\n"
FORMER = "former-deployment"
STOP = {"service": "arm", "method": "POST", "path": "/jobs/[^/]+/stop"}


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as opened:
        opened.environment()
        yield opened


def started(account: Automation, correlation_id: str = FORMER, *, name: str = "probe", waits: bool = True) -> str:
    job = account.start({"parameters": encode({"correlation_id": correlation_id})}, name=name)
    if waits:
        wait_for(lambda: account.status(job), lambda status: status == "Running")
    return job


def end(
    account: Automation,
    *,
    stop: bool = False,
    check: Callable[[], None] = lambda: None,
    clock: Clock = SYSTEM_CLOCK,
    group: str = "",
) -> list[str]:
    """Wait for the former deployment's jobs, or stop them. Return what was reported."""
    session = quick_session(account.lab.env)
    settings = replace(session.settings, resource_group=group or session.settings.resource_group)
    lines: list[str] = []
    former_jobs.end_former_jobs(
        AutomationAccount(client=session.clients.automation, settings=settings),
        FORMER,
        runbooks=["Probe"],
        stop=stop,
        check=check,
        report=lines.append,
        clock=clock,
    )
    return lines


def test_a_job_is_waited_for_until_it_ends_by_itself(account: Automation) -> None:
    account.publish(SHORT)
    job = started(account)
    lines = end(account)
    assert account.status(job) == "Completed"
    assert lines[0] == f"waiting for the end of probe (Running, job {job}), which a former deployment left; 0 s"


def test_a_job_is_stopped_if_that_is_wanted_and_others_go_on(account: Automation) -> None:
    account.publish(LONG)
    account.publish(LONG, name="check_health")
    mine, other = started(account), started(account, "somebody-else")
    other_runbook = started(account, name="check_health")
    plain = account.start({"parameters": "not what the suite sends"})
    wait_for(lambda: account.status(plain), lambda status: status == "Running")
    lines = end(account, stop=True)
    assert lines[0] == f"stopping probe (Running, job {mine}), which a former deployment left"
    assert account.status(mine) == "Stopped"
    assert [account.status(job) for job in (other, other_runbook, plain)] == ["Running"] * 3


def test_without_former_jobs_there_is_no_wait(account: Automation) -> None:
    assert end(account, stop=True) == []
    account.publish("print('done')")
    account.ended(started(account, waits=False))
    assert end(account) == []


def test_an_account_that_is_gone_runs_no_job(account: Automation) -> None:
    assert end(account, group="no-such-group") == []


def test_jobs_that_may_not_be_listed_are_not_taken_for_none(account: Automation) -> None:
    account.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/jobs"})
    with pytest.raises(HttpResponseError) as refused:
        end(account)
    assert refused.value.status_code == 403


def test_the_wait_ends_with_an_error_that_names_the_jobs(account: Automation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert former_jobs.WAIT_SECONDS > 3 * 3600  # as long as Automation lets a job run
    monkeypatch.setattr(former_jobs, "WAIT_SECONDS", 60.0)
    account.publish(LONG)
    job = started(account)
    clock = FakeClock()
    with pytest.raises(RunbookError) as late:
        end(account, clock=clock)
    assert late.value.code == "VD-LOCK-003"
    assert f"probe (Running, job {job})" in late.value.detail
    assert 60 < clock.monotonic() < 120
    assert account.status(job) == "Running"


def test_a_stop_whose_answer_is_lost_stops_all_the_same(account: Automation) -> None:
    account.publish(LONG)
    job = started(account)
    account.lab.fault("reset_after", match=STOP)
    end(account, stop=True)
    assert account.status(job) == "Stopped"


def test_a_job_that_ends_while_it_is_to_be_stopped_has_ended(account: Automation) -> None:
    account.publish(SHORT)
    job = started(account)
    account.lab.fault("delay", seconds=8, match=STOP)
    end(account, stop=True)
    assert account.status(job) == "Completed"


def test_a_stop_that_is_refused_is_reported(account: Automation) -> None:
    account.publish(LONG)
    started(account)
    account.lab.fault("status", status=403, times=0, match=STOP)
    with pytest.raises(HttpResponseError) as refused:
        end(account, stop=True)
    assert refused.value.status_code == 403


@pytest.mark.parametrize("take_over", [False, True])
def test_a_successor_begins_when_no_job_of_its_predecessor_runs(account: Automation, take_over: bool) -> None:
    lab = account.lab
    account.publish(LONG if take_over else SHORT, name="import_images")
    first = deployment(lab.env, correlation_id=FORMER)
    with pytest.raises(KeyboardInterrupt), holding(first, places(lab.env), wait_seconds=0):
        first.begin("import_images")
        job = started(account, name="import_images")
        raise KeyboardInterrupt
    lines: list[str] = []
    options = LockOptions(take_over=take_over)
    session = quick_session(lab.env)
    with locked(session, lab.env, correlation_id="successor", options=options, report=lines.append) as lock:
        assert account.status(job) == ("Stopped" if take_over else "Completed")
        assert lock.former_jobs() == ()
    assert lines[0].startswith(f"lock: {'stopping' if take_over else 'waiting for the end of'} import_images (Running")


def test_a_successor_that_loses_the_lock_while_it_waits_begins_nothing(account: Automation) -> None:
    lab = account.lab
    account.publish(LONG, name="import_images")
    first = deployment(lab.env, correlation_id=FORMER)
    with pytest.raises(KeyboardInterrupt), holding(first, found := places(lab.env), wait_seconds=0):
        first.begin("import_images")
        started(account, name="import_images")
        raise KeyboardInterrupt

    def report(_line: str) -> None:
        break_lease(found[1])

    session = quick_session(lab.env)
    with (
        pytest.raises(RunbookError) as lost,
        locked(session, lab.env, correlation_id="successor", options=LockOptions(), report=report),
    ):
        raise AssertionError("it was let in")
    assert lost.value.code == "VD-LOCK-002"
    assert "409" in lost.value.detail
    third = deployment(lab.env)
    with holding(third, places(lab.env), wait_seconds=0):
        assert [jobs.correlation_id for jobs in third.former_jobs()] == [FORMER]
