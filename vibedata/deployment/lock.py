"""The two locks of a deployment by the command: the lock of the subscription, and the lock of the instance."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from publisher.session import publisher_blobs
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import Settings
from runbook_lib.deployment_lock.content import DeploymentJobs
from runbook_lib.deployment_lock.former_jobs import RUNBOOKS, end_former_jobs
from runbook_lib.deployment_lock.instance import instance_place, lock_policy
from runbook_lib.deployment_lock.lock import FORMER_JOBS, DeploymentLock, holding
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.operator import operator
from vibedata.progress import WriteLine

SUBSCRIPTION_CONTAINER = "deployments"
# A deployment takes 30 minutes (NFR-1). This is the time for two deployments that come before ours. It counts for both
# locks together.
WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOptions:
    """The options of the lock.

    Attributes:
        wait: Whether to wait for another deployment that holds the lock.
        take_over: Whether to stop jobs that an earlier deployment left.
    """

    wait: bool = False
    take_over: bool = False


@contextmanager
def locked(
    session: AzureSession,
    environ: Mapping[str, str],
    *,
    correlation_id: str,
    options: LockOptions,
    report: WriteLine,
) -> Iterator[DeploymentLock]:
    """Hold both locks within the block. The block begins when no job of an earlier deployment runs any more.

    Raises:
        RunbookError: VD-LOCK-001 (another deployment holds a lock), -002 (a lock was lost), -003 (jobs of an earlier
            deployment still run), VD-SETTINGS-005 and -002 for VIBEDATA_PUBLISHER_BLOB_ENDPOINT, VD-AUTOMATION-008.
        azure.core's errors: A service cannot be reached, fails, or refuses the login.
    """
    settings = session.settings
    held = DeploymentLock(
        who=f"{operator()}, process {os.getpid()}",
        jobs=DeploymentJobs(
            correlation_id=correlation_id,
            resource_group=settings.resource_group,
            automation_account=settings.automation_account,
        ),
        clock=session.clock,
        report=lambda line: report(f"lock: {line}"),
    )
    # Always take the locks in this order. Otherwise two deployments could wait for each other.
    with holding(held, lock_places(session, environ), wait_seconds=WAIT_SECONDS if options.wait else 0.0):
        former = held.former_jobs()
        if former:
            held.begin(FORMER_JOBS)
        for jobs in former:
            if (jobs.resource_group, jobs.automation_account) != (settings.resource_group, settings.automation_account):
                held.report(
                    f"the former deployment {jobs.correlation_id} was at another instance:"
                    f" resource group {jobs.resource_group}, Automation account {jobs.automation_account}"
                )
            account = AutomationAccount(client=session.clients.automation, settings=_settings_of(session, jobs))
            end_former_jobs(
                account,
                jobs.correlation_id,
                runbooks=RUNBOOKS,
                stop=options.take_over,
                check=held.check,
                report=held.report,
                clock=session.clock,
            )
        held.former_jobs_ended()
        yield held


def lock_places(session: AzureSession, environ: Mapping[str, str]) -> tuple[LockPlace, LockPlace]:
    """Return where the two locks are, in the order in which they are taken. Raises what `publisher_blobs` does."""
    settings, clients = session.settings, session.clients
    subscription = LockPlace(
        name="the lock of the subscription",
        blob_service=publisher_blobs(settings, clients, environ, session.clock, lambda: _policy(session)),
        container=SUBSCRIPTION_CONTAINER,
        blob=settings.subscription_id.lower(),
    )
    instance = instance_place(settings, clients.credential, retry_policy=lambda: _policy(session), clock=session.clock)
    return subscription, instance


def _policy(session: AzureSession) -> NetworkRetryPolicy:
    return lock_policy(session.retry_policy())


def _settings_of(session: AzureSession, jobs: DeploymentJobs) -> Settings:
    return replace(session.settings, resource_group=jobs.resource_group, automation_account=jobs.automation_account)
