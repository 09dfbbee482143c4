"""Schedules of the Automation account, and their links to runbooks (api 2024-10-23).

Automation's shortest interval is an hour, and a schedule begins at least five minutes after it is made (learn
automation/shared-resources/schedules). Shorter intervals need several schedules, or another service that starts jobs.
"""

import uuid
from datetime import timedelta

from runbook_lib.automation.access import AccountAccess, plain
from runbook_lib.automation.refusals import refusals
from runbook_lib.basics.clock import Clock
from runbook_lib.network.listing import bounded

INTERVAL_HOURS = 1
# Five minutes by Azure's clock. The rest is for the case that Azure's clock is ahead of ours.
START_MINUTES = 15
HOURLY = f"every {INTERVAL_HOURS} Hour"
LINKED = "linked"


class AutomationSchedules:
    """Schedules of one account. Raises RunbookError as `refusals` does, and azure.core's errors."""

    def __init__(self, account: AccountAccess, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    def schedule(self, name: str) -> str | None:
        """Return what a schedule does, e.g. `every 1 Hour` or `every 1 Day, switched off`, None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._account.client.schedule.get(*self._account.at, name)
        except ResourceNotFoundError:
            return None
        if found.properties is None:
            return None
        # A schedule that somebody switched off or changed belongs to that person.
        off = "" if found.properties.is_enabled is not False else ", switched off"
        return f"every {found.properties.interval} {plain(found.properties.frequency)}{off}"

    def create_hourly(self, name: str, description: str) -> None:
        """Create a schedule that begins in START_MINUTES and runs every hour."""
        from azure.mgmt.automation import models

        begin = (self._clock.now() + timedelta(minutes=START_MINUTES)).replace(second=0, microsecond=0)
        properties = models.ScheduleCreateOrUpdateProperties(
            start_time=begin,
            frequency=models.ScheduleFrequency.HOUR,
            interval=INTERVAL_HOURS,
            time_zone="UTC",
            description=description,
        )
        body = models.ScheduleCreateOrUpdateParameters(name=name, properties=properties)
        with refusals(f"schedule {name}"):
            self._account.client.schedule.create_or_update(*self._account.at, name, body)

    def is_published(self, runbook: str) -> bool:
        """Return whether the account can start a runbook. Only such a runbook can be linked."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._account.client.runbook.get(*self._account.at, runbook)
        except ResourceNotFoundError:
            return False
        return found.properties is not None and plain(found.properties.state) != "New"

    def link(self, schedule: str, runbook: str) -> str | None:
        """Return LINKED if a schedule starts a runbook, else None."""
        links = self._account.client.job_schedule.list_by_automation_account(*self._account.at)
        for found in bounded(links, target="schedules"):
            pair = found.properties
            names = (pair and pair.schedule and pair.schedule.name, pair and pair.runbook and pair.runbook.name)
            if names == (schedule, runbook):
                return LINKED
        return None

    def create_link(self, schedule: str, runbook: str) -> None:
        """Let a schedule start a runbook, without parameters: the settings are in the Automation variable."""
        from azure.mgmt.automation import models

        properties = models.JobScheduleCreateProperties(
            schedule=models.ScheduleAssociationProperty(name=schedule),
            runbook=models.RunbookAssociationProperty(name=runbook),
            parameters={},
        )
        body = models.JobScheduleCreateParameters(properties=properties)
        # The same id each time, so that a second request after a lost answer makes no second link.
        link_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join((*self._account.at, schedule, runbook))))
        with refusals(f"schedule {schedule}"):
            self._account.client.job_schedule.create(*self._account.at, link_id, body)
