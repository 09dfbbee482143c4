"""Microsoft.Automation schedules, and jobSchedules, which link a runbook with one.

Faithful:
- A schedule starts at least five minutes after it is created (the message is from Azure/ResourceModules#2216). The
  shortest interval is an hour (learn automation/shared-resources/schedules).
- A link is created once. The same id again, or the same runbook and schedule under another id, is refused with 409
  (krnese/AzureDeploy#17, azure-resource-manager-schemas#313). A link cannot be changed, only deleted.
- Only a published runbook can be linked. When a schedule or runbook is deleted, its links are deleted, too.
- The list of links leaves out their parameters, because terraform-provider-azurerm#8634 tells of links that had lost
  theirs. GET of one link shows them.

Left out: schedules that fire by themselves; time zones other than UTC; `Minute` schedules, which the API has but the
documentation does not; the next run of a schedule with an `advancedSchedule`. `POST /schedules/fire {"name": ...}` of
the control API fires a schedule: it starts a job for each link and answers with the jobs' names. A PUT of a schedule is
never answered 409, because azure-mgmt-automation 2.0.0 would read that as a schedule without properties.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from aiohttp import web

from lab.arm.dispatch import ArmRefusal, json_body, only_fields
from lab.automation.account import AutomationAccount, JobSchedule, Schedule, timestamp
from lab.automation.handlers.jobs import JobHandlers, job_parameters
from lab.automation.wire import bad_request, invalid, not_found, typed
from lab.front.faults import InvalidFaultError
from lab.shared import Lab

FIELDS = {"description", "startTime", "expiryTime", "interval", "frequency", "timeZone", "advancedSchedule"}
ADVANCED_FIELDS = {"weekDays", "monthDays", "monthlyOccurrences"}
LINK_FIELDS = {"schedule", "runbook", "runOn", "parameters"}
HOURS = {"Hour": 1, "Day": 24, "Week": 24 * 7}
FREQUENCIES = ("OneTime", *HOURS, "Month")
ADVANCED_FREQUENCIES = ("Week", "Month")
MAX_INTERVAL = 100  # the portal's limit
START_SECONDS = 5 * 60
UTC_NAMES = ("UTC", "Etc/UTC")
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()
START_MESSAGE = (
    "Argument scheduleAllData with value Orchestrator.Schedules.DataAccess.Models.ScheduleAllData is not valid. Error "
    "message: The start time of the schedule must be at least 5 minutes after the time you create the schedule."
)


class ScheduleHandlers:
    """Handlers of schedules and of their links to runbooks."""

    def __init__(self, *, lab: Lab, account: AutomationAccount, jobs: JobHandlers) -> None:
        """Serve the schedules of `account`. A schedule that fires starts its jobs through `jobs`."""
        self._lab = lab
        self._account = account
        self._jobs = jobs
        lab.controls["POST", "/schedules/fire"] = self._fire

    async def put(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Create or update a schedule. An update may keep a start time that has passed."""
        name = names["schedule"]
        body = await json_body(request, {"name", "properties"})
        if typed(body, "name", str, "").lower() != name.lower():
            raise bad_request("The name in the body is not the schedule's.")
        properties = only_fields(body.get("properties"), FIELDS, "properties")
        existing = self._account.schedules.get(name.lower())
        now = self._lab.clock.now()
        start = _time(properties, "startTime")
        if start is None:
            raise invalid("schedule.properties.startTime", "The startTime property is required.")
        if start < now + START_SECONDS and (existing is None or existing.start != start):
            raise bad_request(START_MESSAGE)
        expiry = _time(properties, "expiryTime")
        if expiry is not None and expiry <= start:
            raise invalid("schedule.properties.expiryTime", "The expiry time must be after the start time.")
        frequency, interval = _recurrence(properties)
        schedule = Schedule(
            name=existing.name if existing else name,
            start=start,
            expiry=NEVER if expiry is None else expiry,
            frequency=frequency,
            interval=interval,
            time_zone=_time_zone(properties),
            advanced=_advanced(properties, frequency),
            description=typed(properties, "description", str),
            enabled=existing.enabled if existing else True,
            created=existing.created if existing else now,
            modified=now,
        )
        self._account.schedules[name.lower()] = schedule
        return (200 if existing else 201), self._view(schedule)

    async def patch(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Change the description, or switch the schedule on or off."""
        schedule = self._schedule(names["schedule"])
        body = await json_body(request, {"name", "properties"})
        properties = only_fields(body.get("properties") or {}, {"description", "isEnabled"}, "properties")
        schedule.description = typed(properties, "description", str, schedule.description)
        schedule.enabled = typed(properties, "isEnabled", bool, schedule.enabled)
        schedule.modified = self._lab.clock.now()
        return 200, self._view(schedule)

    async def get(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a schedule."""
        return 200, self._view(self._schedule(names["schedule"]))

    async def list_schedules(self, _request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all schedules."""
        return [self._view(schedule) for schedule in self._account.schedules.values()]

    async def delete(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Delete a schedule with its links. The SDK does not accept a 204 here."""
        schedule = self._schedule(names["schedule"])
        del self._account.schedules[schedule.name.lower()]
        self._account.unlink(schedule=schedule.name)
        return 200, None

    async def put_link(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Link a runbook with a schedule. The answer is always 201, because a link is never updated."""
        link_id = _guid(names["link"])
        body = await json_body(request, {"properties"})
        properties = only_fields(body.get("properties"), LINK_FIELDS, "properties")
        schedule = self._schedule(_name_in(properties, "schedule"))
        runbook = self._account.runbooks.get(_name_in(properties, "runbook").lower())
        if runbook is None:
            raise not_found("Runbook", _name_in(properties, "runbook"))
        if runbook.published is None:
            raise bad_request(f"The runbook '{runbook.name}' has no published version, so it cannot be scheduled.")
        if typed(properties, "runOn", str, ""):
            raise invalid("jobSchedule.properties.runOn", "There is no hybrid runbook worker group in this account.")
        parameters = job_parameters(properties.get("parameters"), "jobSchedule.properties.parameters")
        if link_id in self._account.job_schedules:
            raise ArmRefusal(409, "Conflict", "A jobSchedule with same id already exists.")
        pair = schedule.name, runbook.name
        if any((link.schedule, link.runbook) == pair for link in self._account.job_schedules.values()):
            message = "A job schedule for the specified runbook and schedule already exists."
            raise ArmRefusal(409, "Conflict", message)
        link = JobSchedule(id=link_id, schedule=schedule.name, runbook=runbook.name, parameters=parameters)
        self._account.job_schedules[link_id] = link
        return 201, _link_view(link)

    async def get_link(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a link, with its parameters."""
        return 200, _link_view(self._link(names["link"]))

    async def list_links(self, _request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all links, without their parameters."""
        views = [_link_view(link) for link in self._account.job_schedules.values()]
        return [{**view, "properties": {**view["properties"], "parameters": None}} for view in views]

    async def delete_link(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Delete a link. The SDK does not accept a 204 here."""
        del self._account.job_schedules[self._link(names["link"]).id]
        return 200, None

    async def _fire(self, body: object) -> object:
        if not isinstance(body, dict) or set(body) != {"name"}:
            raise InvalidFaultError("firing takes the name of a schedule")
        schedule = self._account.schedules.get(str(body["name"]).lower())
        if schedule is None or not schedule.enabled:
            raise InvalidFaultError(f"there is no schedule {body['name']!r} that is enabled")
        links = [link for link in self._account.job_schedules.values() if link.schedule == schedule.name]
        try:
            jobs = [self._jobs.start(str(uuid.uuid4()), link.runbook, dict(link.parameters)) for link in links]
        except ArmRefusal as refusal:
            raise InvalidFaultError(refusal.message) from refusal
        return {"jobs": [job.name for job in jobs]}

    def _view(self, schedule: Schedule) -> dict[str, Any]:
        upcoming = _next_run(schedule, self._lab.clock.now()) if schedule.enabled else None
        return {
            "path": ("schedules", schedule.name),
            "properties": {
                "description": schedule.description,
                "startTime": timestamp(schedule.start),
                "startTimeOffsetMinutes": 0.0,
                "expiryTime": timestamp(schedule.expiry),
                "expiryTimeOffsetMinutes": 0.0,
                "isEnabled": schedule.enabled,
                "nextRun": None if upcoming is None else timestamp(upcoming),
                "nextRunOffsetMinutes": 0.0,
                "interval": schedule.interval,
                "frequency": schedule.frequency,
                "timeZone": schedule.time_zone,
                "advancedSchedule": schedule.advanced,
                "creationTime": timestamp(schedule.created),
                "lastModifiedTime": timestamp(schedule.modified),
            },
        }

    def _schedule(self, name: str) -> Schedule:
        schedule = self._account.schedules.get(name.lower())
        if schedule is None:
            raise not_found("Schedule", name)
        return schedule

    def _link(self, link_id: str) -> JobSchedule:
        link = self._account.job_schedules.get(_guid(link_id))
        if link is None:
            raise not_found("JobSchedule", link_id)
        return link


def _link_view(link: JobSchedule) -> dict[str, Any]:
    return {
        "path": ("jobSchedules", link.id),
        "properties": {
            "jobScheduleId": link.id,
            "schedule": {"name": link.schedule},
            "runbook": {"name": link.runbook},
            "runOn": None,
            "parameters": dict(link.parameters),
        },
    }


def _name_in(properties: Mapping[str, Any], field: str) -> str:
    name = typed(only_fields(properties.get(field), {"name"}, f"properties.{field}"), "name", str, "")
    return str(name)


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise bad_request(f"The job schedule id '{text}' is not a GUID.") from error


def _time(properties: Mapping[str, Any], field: str) -> float | None:
    """Return a time of the body in seconds since the epoch. A time without an offset is in UTC."""
    text = typed(properties, field, str)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
    except ValueError as error:
        raise invalid(f"schedule.properties.{field}", f"'{text}' is not a time.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _recurrence(properties: Mapping[str, Any]) -> tuple[str, int | None]:
    frequency, interval = properties.get("frequency"), properties.get("interval")
    if frequency not in FREQUENCIES:
        message = f"'{frequency}' is none of {', '.join(FREQUENCIES)}; the shortest interval is one hour."
        raise invalid("schedule.properties.frequency", message)
    if frequency == "OneTime":
        if interval is not None:
            raise invalid("schedule.properties.interval", "A schedule that runs once has no interval.")
        return frequency, None
    if type(interval) is not int or not 1 <= interval <= MAX_INTERVAL:
        raise invalid("schedule.properties.interval", f"The interval is a whole number from 1 to {MAX_INTERVAL}.")
    return str(frequency), interval


def _time_zone(properties: Mapping[str, Any]) -> str:
    zone: str = typed(properties, "timeZone", str, UTC_NAMES[0])
    if zone not in UTC_NAMES:
        raise invalid("schedule.properties.timeZone", f"The lab knows no time zone but {' and '.join(UTC_NAMES)}.")
    return zone


def _advanced(properties: Mapping[str, Any], frequency: str) -> dict[str, Any] | None:
    if properties.get("advancedSchedule") is None:
        return None
    if frequency not in ADVANCED_FREQUENCIES:
        message = f"An advanced schedule goes with {' and '.join(ADVANCED_FREQUENCIES)}."
        raise invalid("schedule.properties.advancedSchedule", message)
    return only_fields(properties["advancedSchedule"], ADVANCED_FIELDS, "properties.advancedSchedule")


def _next_run(schedule: Schedule, now: float) -> float | None:
    """Return when a schedule runs next, None if it never runs again."""
    if now < schedule.start:
        return schedule.start
    if schedule.interval is None:
        return None
    if schedule.frequency == "Month":
        following = _next_month(schedule, now)
    else:
        period = schedule.interval * timedelta(hours=HOURS[schedule.frequency]).total_seconds()
        following = schedule.start + ((now - schedule.start) // period + 1) * period
    return following if following <= schedule.expiry else None


def _next_month(schedule: Schedule, now: float) -> float:
    """Return the first of start, start + interval months, ... after `now`, without months that lack the day."""
    start = datetime.fromtimestamp(schedule.start, timezone.utc)
    month = start.year * 12 + start.month - 1
    while True:
        month += schedule.interval or 1
        try:
            moment = start.replace(year=month // 12, month=month % 12 + 1).timestamp()
        except ValueError:  # the 31st of a month of 30 days
            continue
        if moment > now:
            return moment
