"""Microsoft.Automation jobs: create, status, output, streams, stop.

A PUT of a job that exists is answered with 200 and the old job (azure-sdk-for-net#34416). The lists understand a
`$filter` on times or on the stream type, as the portal and the Az modules send it.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import ArmRefusal, json_body, only_fields
from lab.automation.account import NEW_JOBS, NEW_JOBS_SECONDS, AutomationAccount, timestamp
from lab.automation.job import TERMINAL, Job, Stream
from lab.automation.jobs import Jobs
from lab.automation.wire import bad_request, invalid, matches, not_found, too_many, typed
from lab.shared import Lab

# learn automation-subscription-limits-faq; the message is azure-docs#52136's.
PARAMETERS_LIMIT = 50
PARAMETERS_LIMIT_CHARACTERS = 524_288
# How many characters of a record the list shows. streams/{id} shows all. The real length is not documented.
SUMMARY_CHARACTERS = 512
# What JobCollectionItem of azure-mgmt-automation 2.0.0 has.
LISTED = (
    "jobId",
    "runbook",
    "status",
    "creationTime",
    "startTime",
    "endTime",
    "lastModifiedTime",
    "provisioningState",
    "runOn",
    "jobRuntimeEnvironment",
    "startedBy",
)
PROVISIONING_STATES = {"Completed": "Succeeded", "Failed": "Failed", "Stopped": "Succeeded", "Suspended": "Suspended"}


class JobHandlers:
    """Handlers of jobs."""

    def __init__(self, *, lab: Lab, account: AutomationAccount, jobs: Jobs) -> None:
        """Serve `jobs`, the jobs of the published runbooks of `account`."""
        self._lab = lab
        self._account = account
        self._jobs = jobs

    async def put(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Create a job and answer 201; if a job has this name already, answer 200 and that job."""
        name = names["job"]
        body = await json_body(request, {"properties"})
        properties = only_fields(body.get("properties"), {"runbook", "parameters", "runOn"}, "properties")
        runbook_name = typed(only_fields(properties.get("runbook"), {"name"}, "properties.runbook"), "name", str, "")
        parameters = job_parameters(properties.get("parameters"), "job.properties.parameters")
        existing = self._jobs.by_name.get(name.lower())
        if existing is not None:
            return 200, self.view(existing)
        run_on = typed(properties, "runOn", str, "")
        if run_on:
            raise invalid(
                "job.properties.runOn", f"There is no hybrid runbook worker group '{run_on}' in this account."
            )
        return 201, self.view(self.start(name, runbook_name, parameters))

    def start(self, name: str, runbook_name: str, parameters: dict[str, str]) -> Job:
        """Queue a new job of a published runbook; ArmRefusal if there is none, or 429 if too many jobs are new."""
        runbook = self._account.runbooks.get(runbook_name.lower())
        if runbook is None:
            raise not_found("Runbook", runbook_name)
        if runbook.published is None:
            raise bad_request(f"The runbook '{runbook.name}' has no published version, so no job can be started.")
        wait = self._account.jobs_window.wait_seconds(now=self._lab.clock.now(), seconds=NEW_JOBS_SECONDS)
        if wait:
            raise too_many(f"More than {NEW_JOBS} jobs in {NEW_JOBS_SECONDS:.0f} seconds. Try again later.", wait)
        runbook.job_count += 1
        now = self._lab.clock.now()
        job = Job(
            name=name,
            job_id=_guid(name),
            runbook=runbook.name,
            kind=runbook.kind,
            environment=runbook.environment,
            log_verbose=runbook.log_verbose,
            content=runbook.published,
            parameters=parameters,
            created=now,
            modified=now,
        )
        self._jobs.submit(job)
        return job

    async def get(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a job."""
        return 200, self.view(self._job(names))

    async def list_jobs(self, request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the jobs that `$filter` wants, the newest first."""
        wanted = matches(request.query.get("$filter"), {"status", "runbook/name", "creationTime", "startTime"})
        return [
            self.list_view(job)
            for job in reversed(self._jobs.by_name.values())
            if wanted(
                {
                    "status": job.status,
                    "runbook/name": job.runbook,
                    "creationTime": job.created,
                    "startTime": job.started or job.created,
                }
            )
        ]

    async def output(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return the records of the output stream, one record a line."""
        lines = [stream.text for stream in self._job(names).streams if stream.kind == "Output"]
        return web.Response(text="\n".join(lines), content_type="text/plain", charset="utf-8")

    async def runbook_content(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return the text that the runbook had when the job was created."""
        return web.Response(body=self._job(names).content, content_type="text/powershell", charset="utf-8")

    async def streams(self, request: web.Request, names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the records that `$filter` wants, without their whole text."""
        job = self._job(names)
        wanted = matches(_without_any(request.query.get("$filter")), {"streamType", "time"})
        return [
            self.stream_view(job, stream)
            for stream in job.streams
            if wanted({"streamType": stream.kind, "time": stream.at})
        ]

    async def stream(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return one record with its whole text."""
        job = self._job(names)
        for stream in job.streams:
            if stream.id == names["stream"]:
                view = self.stream_view(job, stream)
                view["properties"] |= {"streamText": stream.text, "value": {"Message": stream.text}}
                return web.json_response({"id": view["id"], "properties": view["properties"]})
        raise not_found("Job stream", names["stream"])

    async def stop(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Stop a job that has not ended."""
        job = self._job(names)
        if job.status in TERMINAL:
            raise ArmRefusal(409, "Conflict", f"The job has ended: its status is {job.status}.")
        self._jobs.stop(job)
        return web.Response(status=200)

    def view(self, job: Job) -> dict[str, Any]:
        """Return a job as ARM shows it."""
        return {
            "path": ("jobs", job.name),
            "properties": {
                "jobId": job.job_id,
                "runbook": {"name": job.runbook},
                "startedBy": None,
                "runOn": "",
                "jobRuntimeEnvironment": {"runtimeEnvironmentName": job.environment},
                "status": job.status,
                "statusDetails": "None",
                "provisioningState": PROVISIONING_STATES.get(job.status, "Processing"),
                "exception": job.exception,
                "parameters": job.parameters,
                "creationTime": timestamp(job.created),
                "startTime": None if job.started is None else timestamp(job.started),
                "endTime": None if job.ended is None else timestamp(job.ended),
                "lastModifiedTime": timestamp(job.modified),
                "lastStatusModifiedTime": timestamp(job.modified),
            },
        }

    def list_view(self, job: Job) -> dict[str, Any]:
        """Return a job as the list shows it: without the fields that only a GET of the job shows."""
        view = self.view(job)
        return {**view, "properties": {name: view["properties"][name] for name in LISTED}}

    def stream_view(self, job: Job, stream: Stream) -> dict[str, Any]:
        """Return a record as the list shows it."""
        return {
            "id": f"{self._account.arm_id}/jobs/{job.name}/streams/{stream.id}",
            "properties": {
                "jobStreamId": stream.id,
                "time": timestamp(stream.at),
                "streamType": stream.kind,
                "summary": stream.text[:SUMMARY_CHARACTERS],
            },
        }

    def _job(self, names: Mapping[str, str]) -> Job:
        job = self._jobs.by_name.get(names["job"].lower())
        if job is None:
            raise not_found("Job", names["job"])
        return job


def job_parameters(given: object, field: str) -> dict[str, str]:
    """Return a job's parameters from `field` of a body; ArmRefusal 400 if a job cannot take them."""
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise invalid(field, "Job parameters are an object whose values are strings.")
    if len(given) > PARAMETERS_LIMIT:
        raise invalid(field, f"A job has at most {PARAMETERS_LIMIT} parameters.")
    if sum(len(value) for value in given.values()) > PARAMETERS_LIMIT_CHARACTERS:
        message = f"Job parameter values too long. Max allowed length:{PARAMETERS_LIMIT_CHARACTERS}. Parameter names: "
        raise invalid(field, message + ", ".join(given))
    return given


def _guid(name: str) -> str:
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid4())


def _without_any(text: str | None) -> str | None:
    """Remove the clause that accepts every stream type."""
    clauses = [clause for clause in (text or "").split(" and ") if "'any'" not in clause.lower()]
    return " and ".join(clauses) or None
