"""Automation schedules and their links to runbooks, by azure-mgmt-automation."""

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.automation import models as m

from tests.support.automation import RUNBOOK, Automation, automation
from tests.support.running_lab import LabUnderTest

SCHEDULE = "vibedata-health"
TEXT = "import sys\nprint('given', *sys.argv[1:])\n"


def soon(minutes: float = 10.0) -> datetime:
    return datetime.now(timezone.utc) + timedelta(minutes=minutes)


def put(
    account: Automation, start: datetime, *, frequency: str = "Hour", interval: int | None = 1, **fields: Any
) -> m.Schedule:
    properties = m.ScheduleCreateOrUpdateProperties(start_time=start, frequency=frequency, interval=interval, **fields)
    body = m.ScheduleCreateOrUpdateParameters(name=SCHEDULE, properties=properties)
    made = account.client.schedule.create_or_update(*account.at, SCHEDULE, body)
    assert made is not None
    return made


def link(account: Automation, *, link_id: str = "", runbook: str = RUNBOOK, **parameters: str) -> m.JobSchedule:
    properties = m.JobScheduleCreateProperties(
        schedule=m.ScheduleAssociationProperty(name=SCHEDULE),
        runbook=m.RunbookAssociationProperty(name=runbook),
        parameters=parameters,
    )
    body = m.JobScheduleCreateParameters(properties=properties)
    return account.client.job_schedule.create(*account.at, link_id or str(uuid.uuid4()), body)


def refusal(raised: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    assert raised.value.error is not None
    return raised.value.status_code, str(raised.value.error.message)


def test_official_client_makes_reads_changes_and_deletes_a_schedule(lab: LabUnderTest) -> None:
    start = soon().replace(microsecond=0)
    with automation(lab) as account:
        made = put(account, start, description="Every hour")
        assert made.properties is not None
        assert (made.name, made.properties.start_time, made.properties.next_run) == (SCHEDULE, start, start)
        assert (made.properties.frequency, made.properties.interval, made.properties.is_enabled) == ("Hour", 1, True)
        assert made.properties.expiry_time is not None
        assert made.properties.expiry_time.year == 9999
        # After two and a half hours the start time is the same, although it has passed. The next run is on the hour.
        lab.control("POST", "/clock", {"advance_seconds": 2.5 * 3600})
        again = put(account, start, description="Still every hour")
        assert again.properties is not None
        assert again.properties.next_run == start + timedelta(hours=3)
        update = m.ScheduleUpdateParameters(name=SCHEDULE, properties=m.ScheduleUpdateProperties(is_enabled=False))
        account.client.schedule.update(*account.at, SCHEDULE, update)
        got = account.client.schedule.get(*account.at, SCHEDULE)
        assert got.properties is not None
        assert (got.properties.is_enabled, got.properties.description) == (False, "Still every hour")
        assert [one.name for one in account.client.schedule.list_by_automation_account(*account.at)] == [SCHEDULE]
        account.client.schedule.delete(*account.at, SCHEDULE)
        with pytest.raises(ResourceNotFoundError):
            account.client.schedule.get(*account.at, SCHEDULE)
        with pytest.raises(ResourceNotFoundError):
            account.client.schedule.delete(*account.at, SCHEDULE)


def test_a_schedule_is_as_strict_as_the_services(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        with pytest.raises(HttpResponseError) as raised:
            put(account, soon(4))
        status, message = refusal(raised)
        assert status == 400
        assert "must be at least 5 minutes after the time you create the schedule" in message
        refused: tuple[dict[str, Any], ...] = (
            {"frequency": "Minute", "interval": 15},
            {"frequency": "Fortnight"},
            {"frequency": "Hour", "interval": 0},
            {"frequency": "Hour", "interval": 101},
            {"frequency": "Hour", "interval": None},
            {"frequency": "OneTime", "interval": 1},
            {"time_zone": "Middle/Earth"},
            {"expiry_time": soon(5)},
            {"frequency": "Day", "advanced_schedule": m.AdvancedSchedule(week_days=["Monday"])},
        )
        for fields in refused:
            with pytest.raises(HttpResponseError) as raised:
                put(account, soon(), **fields)
            assert refusal(raised)[0] == 400, fields
        assert list(account.client.schedule.list_by_automation_account(*account.at)) == []


@pytest.mark.parametrize(
    ("frequency", "interval", "days"), [("OneTime", None, None), ("Day", 3, 3), ("Week", 2, 14), ("Month", 1, 31)]
)
def test_when_a_schedule_runs_next(lab: LabUnderTest, frequency: str, interval: int | None, days: int | None) -> None:
    start = datetime(2099, 3, 1, 12, tzinfo=timezone.utc)  # a month of 31 days
    with automation(lab) as account:
        put(account, start, frequency=frequency, interval=interval)
    ahead = start - datetime.now(timezone.utc) + timedelta(hours=1)
    lab.control("POST", "/clock", {"advance_seconds": ahead.total_seconds()})
    with automation(lab) as account:  # anew, as the tokens of the last century have expired
        got = account.client.schedule.get(*account.at, SCHEDULE)
    assert got.properties is not None
    assert got.properties.next_run == (None if days is None else start + timedelta(days=days))


def test_a_month_without_the_day_is_left_out(lab: LabUnderTest) -> None:
    start = datetime(2099, 1, 31, tzinfo=timezone.utc)
    with automation(lab) as account:
        put(account, start, frequency="Month", advanced_schedule=None)
    ahead = start - datetime.now(timezone.utc) + timedelta(hours=1)
    lab.control("POST", "/clock", {"advance_seconds": ahead.total_seconds()})
    with automation(lab) as account:  # anew, as the tokens of the last century have expired
        got = account.client.schedule.get(*account.at, SCHEDULE)
    assert got.properties is not None
    assert got.properties.next_run == datetime(2099, 3, 31, tzinfo=timezone.utc)


def test_a_link_with_parameters_is_made_once_and_starts_jobs_when_fired(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        account.publish(TEXT)
        put(account, soon())
        link_id = str(uuid.uuid4())
        made = link(account, link_id=link_id, first="e30x")
        assert made.properties is not None
        assert (made.properties.job_schedule_id, made.properties.parameters) == (link_id, {"first": "e30x"})
        for again in (link_id, ""):
            with pytest.raises(HttpResponseError) as raised:
                link(account, link_id=again)
            assert refusal(raised)[0] == 409
            assert "already exists" in refusal(raised)[1]
        (listed,) = account.client.job_schedule.list_by_automation_account(*account.at)
        assert listed.properties is not None
        assert (listed.name, listed.properties.parameters) == (link_id, None)
        got = account.client.job_schedule.get(*account.at, link_id)
        assert got.properties is not None
        assert got.properties.parameters == {"first": "e30x"}

        (job,) = lab.control("POST", "/schedules/fire", {"name": SCHEDULE})["jobs"]
        assert account.ended(job).status == "Completed"
        assert account.output(job) == "given e30x"

        account.client.job_schedule.delete(*account.at, link_id)
        with pytest.raises(ResourceNotFoundError):
            account.client.job_schedule.get(*account.at, link_id)
        assert lab.control("POST", "/schedules/fire", {"name": SCHEDULE})["jobs"] == []
        lab.control("POST", "/schedules/fire", {"name": "other"}, status=400)
        lab.control("POST", "/schedules/fire", {}, status=400)


def test_links_need_a_published_runbook_and_go_with_it(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        with pytest.raises(ResourceNotFoundError):
            link(account)
        put(account, soon())
        with pytest.raises(ResourceNotFoundError):
            link(account)
        draft = m.RunbookCreateOrUpdateProperties(runbook_type="Python", draft=m.RunbookDraft())
        body = m.RunbookCreateOrUpdateParameters(name=RUNBOOK, location="westeurope", properties=draft)
        account.client.runbook.create_or_update(*account.at, RUNBOOK, body)
        with pytest.raises(HttpResponseError) as raised:
            link(account)
        assert "no published version" in refusal(raised)[1]
        account.publish(TEXT)
        with pytest.raises(HttpResponseError) as raised:
            link(account, link_id="not-a-guid")
        assert refusal(raised)[0] == 400

        def links() -> int:
            return len(list(account.client.job_schedule.list_by_automation_account(*account.at)))

        link(account)
        account.publish(TEXT)  # a new text leaves the link
        assert links() == 1
        account.client.schedule.delete(*account.at, SCHEDULE)
        assert links() == 0
        put(account, soon())
        link(account)
        account.client.runbook.delete(*account.at, RUNBOOK)
        assert links() == 0
