"""The content that a holder writes into a lock's blob."""

from datetime import datetime, timedelta, timezone

from runbook_lib.deployment_lock.content import DeploymentJobs, LockContent

NOW = datetime(2026, 11, 29, 6, 30, 0, 250000, tzinfo=timezone.utc)
JOBS = DeploymentJobs(correlation_id="c9a49f8a", resource_group="vibedata-managed", automation_account="vibedata-auto")
FORMER = DeploymentJobs(correlation_id="former", resource_group="other-managed", automation_account="other-automation")
CONTENT = LockContent(
    who="ada@desk-7, process 4711",
    jobs=JOBS,
    since=NOW - timedelta(minutes=12, seconds=5),
    step="import_images",
    step_since=NOW - timedelta(seconds=119),
)
