"""Start an Automation job and follow it: its streams as they come, its result at the end."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from runbook_lib.errors import RunbookError
from runbook_lib.parameters import encode
from scripts.azure_session import AzureSession

POLL_SECONDS = 1.0
# The sandbox's fair share ends a job after 3 hours (azure-facts, section 1); queueing and start-up come on top.
FOLLOW_DEADLINE_SECONDS = 4 * 3600.0
# Terminal statuses as documented (azure-facts, section 2).
_ENDED = {"Completed", "Failed", "Stopped", "Suspended"}
# Automation parameters are positional; the name is for people to read.
_PARAMETER_NAME = "parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended: its Automation status and the runbook's own final JSON object (None where it printed none)."""

    job_id: str
    status: str
    result: Mapping[str, Any] | None
    exception: str


def run_job(
    session: AzureSession, runbook: str, parameters: Mapping[str, Any], on_line: Callable[[str], None]
) -> JobResult:
    """Start `runbook` as a job under the account's identity and follow it to its end.

    Parameters: parameters, the runbook's own, sent as one base64url argument; on_line, called for each stream line as
    it comes. Raises RunbookError VD-AUTOMATION-004 past the deadline.
    """
    job_id = _start(session, runbook, parameters)
    account = (session.settings.resource_group, session.settings.automation_account)
    deadline = time.monotonic() + FOLLOW_DEADLINE_SECONDS
    seen: set[str] = set()
    while True:
        job = session.automation.job.get(*account, job_id).properties
        # The status is read before the streams, so that the last lines of an ended job are not missed.
        for line in _new_lines(session, account, job_id, seen):
            on_line(line)
        status = None if job is None else job.status
        if job is not None and status in _ENDED:
            output = session.automation.job.get_output(*account, job_id)
            return JobResult(
                job_id=job_id, status=plain(status), result=_final_json(output), exception=job.exception or ""
            )
        if time.monotonic() > deadline:
            raise RunbookError("VD-AUTOMATION-004", f"last status: {plain(status)}", target=job_id)
        time.sleep(POLL_SECONDS)


def _start(session: AzureSession, runbook: str, parameters: Mapping[str, Any]) -> str:
    """A fresh id for each attempt: a repeated one can return an old job (azure-sdk-for-net#34416)."""
    from azure.mgmt.automation.models import JobCreateParameters, JobCreateProperties, RunbookAssociationProperty

    job_id = str(uuid.uuid4())
    properties = JobCreateProperties(
        runbook=RunbookAssociationProperty(name=runbook), parameters={_PARAMETER_NAME: encode(parameters)}
    )
    session.automation.job.create(
        session.settings.resource_group,
        session.settings.automation_account,
        job_id,
        JobCreateParameters(properties=properties),
    )
    return job_id


def _new_lines(session: AzureSession, account: tuple[str, str], job_id: str, seen: set[str]) -> Iterator[str]:
    for record in session.automation.job_stream.list_by_job(*account, job_id):
        properties = record.properties
        if properties is None or properties.job_stream_id is None or properties.job_stream_id in seen:
            continue
        seen.add(properties.job_stream_id)
        text = (properties.summary or "").rstrip("\n")
        stream = plain(properties.stream_type).upper()
        # Whether Automation leaves the prefix that chose the stream in the text is unconfirmed: both read the same here.
        if text and not text.startswith("{"):
            yield text if stream == "OUTPUT" or text.startswith(stream) else f"{stream}: {text}"


def plain(value: str | Enum | None) -> str:
    """Return the text of a value that the SDK types as an enumeration where it knows it, as text where not."""
    return str(value.value if isinstance(value, Enum) else value)


def _final_json(output: str) -> Mapping[str, Any] | None:
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return None
    try:
        result = json.loads(lines[-1])
    except ValueError:
        return None  # cut off: the job was killed while it wrote
    return result if isinstance(result, dict) else None
