"""The last step: tell the publisher how the deployment ended.

The instance itself reports the steps that are jobs, as soon as it has a key to sign reports. If a deployment fails
before that, or in a step of the publisher, the instance cannot report it. So the operator's command writes a report of
the same form into table InstanceReports, with `operator` as the key's id.
"""

import uuid

from publisher.callback_api.reports import InstanceReport, InstanceReports
from publisher.session import publisher_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks.payloads import MAX_DURATION_MS, DeploymentProgress, to_json
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.request_signing.verifier import UnavailableError
from vibedata.deployment.step import WELL, StepResult, stopwatch
from vibedata.deployment.work import Deployment, DeploymentWork

NAME = "report"
# The step that makes the release the installed one.
INSTALLS = "import_manifest"
# Written instead of the id of the key that signs an instance's report.
BY_OPERATOR = "operator"


def report_outcome(work: DeploymentWork) -> StepResult:
    """Write how the deployment ended, once for each deployment. Raises azure.core's errors, VD-SETTINGS-005, -002."""
    settings = work.session.settings
    tables = publisher_tables(settings, work.session.clients, work.environ, SYSTEM_CLOCK)
    payload = outcome_of(
        work.deployment,
        instance_id=settings.instance_id,
        release_version=work.release.verified.id.version,
        at=rfc3339(SYSTEM_CLOCK.now()),
    )
    report = InstanceReport(
        instance_id=settings.instance_id,
        report_id=str(uuid.uuid5(uuid.UUID(work.deployment.correlation_id), NAME)),
        kind=payload.kind,
        key_id=BY_OPERATOR,
        content=to_json(payload),
    )
    with stopwatch() as seconds:
        try:
            InstanceReports(tables, clock=SYSTEM_CLOCK).keep(report)
        except UnavailableError as error:
            named = as_runbook_error(error.__cause__) if error.__cause__ else None
            raise (named or error) from error
    return StepResult(name=NAME, status="succeeded", seconds=seconds(), changed=1)


def outcome_of(deployment: Deployment, *, instance_id: str, release_version: str, at: str) -> DeploymentProgress:
    """Return the report: the step that failed, or else the last one. Pure.

    A deployment that succeeds names its release only if its import_manifest has installed or found this release. A
    deployment that fails names the release that it tried to install.

    Args:
        deployment: The deployment, with its steps.
        instance_id: The instance.
        release_version: The release that is deployed.
        at: The present, RFC 3339.
    """
    proven = any(step.name == INSTALLS and step.status in WELL for step in deployment.steps)
    told = deployment.failed or deployment.steps[-1]
    seconds = sum(step.seconds for step in deployment.steps)
    return DeploymentProgress(
        instance_id=instance_id,
        at=at,
        correlation_id=deployment.correlation_id,
        release_version=release_version if deployment.failed or proven else "",
        step=told.name,
        status="failed" if deployment.failed else "succeeded",
        error_code=str(told.error["code"]) if told.error else "",
        duration_ms=min(round(seconds * 1000), MAX_DURATION_MS),
    )
