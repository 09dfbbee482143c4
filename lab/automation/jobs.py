"""The lab's Automation jobs: queued, started in the sandbox, ended.

A job whose process is killed is not started again. Azure tries three times to start a job, and suspends a job that ran
out of memory three times. Here the first time ends the job as failed, so that its user sees the cause at once.
"""

import asyncio
import copy
import logging
import os
import secrets
import shutil
import tempfile
import uuid
from pathlib import Path

from lab.automation.account import LANGUAGE, LANGUAGE_VERSION, PYTHON_RUNBOOK_TYPES, AutomationAccount, timestamp
from lab.automation.job import TERMINAL, Job
from lab.automation.job_process import End, JobProcess, Outcome
from lab.automation.python_environment import EnvironmentFailedError, PythonEnvironments
from lab.automation.sandbox.automationassets import ASSETS_FILE_VARIABLE
from lab.entra import managed_identity as identity
from lab.front.faults import InvalidFaultError
from lab.machine import process_table
from lab.machine.loopback_sockets import Address, client_inode
from lab.shared import Lab, PutBack

LOGGER = logging.getLogger("lab")

# Limits of a pay-as-you-go account: learn automation-subscription-limits-faq.
CONCURRENT_JOBS = 10
RUN_SECONDS = 3 * 3600

# All statuses that azure-mgmt-automation 2.0.0 knows.
STATUSES = (
    "New",
    "Activating",
    "Running",
    "Completed",
    "Failed",
    "Stopped",
    "Blocked",
    "Suspended",
    "Disconnected",
    "Suspending",
    "Stopping",
    "Resuming",
    "Removing",
)
REMOVED = "Removed"

# Azure's words: azure-powershell#17803, AzureOptimizationEngine#53, learn automation/troubleshoot/runbooks.
EXCEPTIONS = {
    End.STREAM_LIMIT: (
        "The runbook job failed due to a job stream being larger than 1MB, the limit that is supported by an Azure "
        "Automation sandbox. See some common ways to resolve this at https://aka.ms/AAjobstreamlimit"
    ),
    End.OUT_OF_MEMORY: (
        "The runbook job failed due to sandbox running out of memory. Each Azure Automation sandbox is allocated 400 "
        "MB of memory. See some common ways to resolve this at https://aka.ms/AAMemoryLimit"
    ),
    End.TIME_LIMIT: "The job was evicted and subsequently reached a Stopped state. The job cannot continue running.",
    End.KILLED: "The job's process was killed.",
}


class Jobs:
    """The account's jobs."""

    def __init__(self, *, lab: Lab, account: AutomationAccount, environments: PythonEnvironments) -> None:
        """Start without jobs. Add the hooks to the lab: which job made a request, faults that kill, reset, the end."""
        self._lab = lab
        self._account = account
        self._environments = environments
        self._places = asyncio.Semaphore(CONCURRENT_JOBS)
        self._directory = lab.dir / "jobs"
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.by_name: dict[str, Job] = {}
        lab.gate.job_of = self.job_of
        lab.gate.kill_job = self.kill
        lab.gate.on_first_request = self._note_first_request
        lab.controls["GET", "/jobs"] = self._view
        lab.controls["POST", "/jobs"] = self._change
        # Jobs make requests by themselves, so they end before the services that they call are emptied.
        lab.on_reset.insert(0, self.clear)
        lab.on_close.append(self.clear)
        lab.on_keep.append(self._keep)

    def submit(self, job: Job) -> None:
        """Queue a job; it starts as soon as fewer than CONCURRENT_JOBS run."""
        self.by_name[job.name.lower()] = job
        self._tasks[job.name] = asyncio.create_task(self._run(job))

    def stop(self, job: Job) -> None:
        """Stop a job that has not ended."""
        if job.process is None:
            self._end(job, "Stopped")
        else:
            self._set(job, "Stopping")
            job.process.end(End.STOPPED)

    def kill(self, job_id: str) -> None:
        """Kill a running job with SIGKILL; nothing happens if it does not run."""
        job = self.by_name.get(job_id.lower())
        if job is not None and job.process is not None:
            job.process.end(End.KILLED)

    def job_of(self, client: Address, server: Address) -> str | None:
        """Return the name of the running job that made a loopback connection, None if no job made it."""
        owners = {pid: job.name for job in self.by_name.values() if job.process is not None for pid in job.process.pids}
        inode = client_inode(client, server) if owners else None
        owner = None if inode is None else process_table.owner_of_socket(inode, owners)
        return None if owner is None else owners[owner]

    async def _view(self, _body: object) -> object:
        """Answer GET /jobs of the control API: the jobs with their figures."""
        shown = [
            {
                "id": job.name,
                "runbook": job.runbook,
                "status": job.status,
                "exit_code": job.exit_code,
                "peak_memory_bytes": job.process.peak_memory_bytes if job.process else job.peak_memory_bytes,
                "cpu_seconds": job.cpu_seconds,
                "cpu_seconds_to_first_request": job.cpu_seconds_to_first_request,
                "started": None if job.started is None else timestamp(job.started),
                "ended": None if job.ended is None else timestamp(job.ended),
                "python_version": self._environments.interpreter.version,
                "python_warning": self._environments.interpreter.warning,
            }
            for job in self.by_name.values()
        ]
        return {"jobs": shown}

    async def _change(self, body: object) -> object:
        """Answer POST /jobs of the control API: {"id", "status", "exception"} sets a job's status, also one that no job
        of the lab reaches by itself, such as Suspended or Blocked. The status "Removed" removes the job.
        """
        if not isinstance(body, dict) or not {"id", "status"} <= set(body) <= {"id", "status", "exception"}:
            raise InvalidFaultError("a job takes id and status, and maybe exception")
        job, status = self.by_name.get(str(body["id"]).lower()), str(body["status"])
        if job is None or status not in {*STATUSES, REMOVED}:
            raise InvalidFaultError(f"POST /jobs takes the id of a job, and one of {', '.join((*STATUSES, REMOVED))}")
        # A job that was put back from a snapshot has ended, and no task runs it.
        task = self._tasks.get(job.name)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if status == REMOVED:
            del self.by_name[job.name.lower()]
        elif status in TERMINAL:
            self._end(job, status, body.get("exception"))
        else:
            self._set(job, status)
        return await self._view(None)

    async def clear(self) -> None:
        """Kill the running jobs, wait until they are gone, and forget every job."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self.by_name.clear()

    def _keep(self) -> PutBack:
        """Keep the jobs, all of which must have ended."""
        running = next((job for job in self.by_name.values() if job.status not in TERMINAL), None)
        if running is not None:
            raise InvalidFaultError(f"the job {running.name} of {running.runbook} is {running.status}")
        kept = copy.deepcopy(self.by_name)

        def put_back() -> None:
            self.by_name = copy.deepcopy(kept)

        return put_back

    async def _run(self, job: Job) -> None:
        await self._lab.gate.operation("jobQueue", otherwise=0.0)
        async with self._places:
            if job.status in TERMINAL:  # The job was stopped while it waited.
                return
            self._set(job, "Activating")
            self._directory.mkdir(parents=True, exist_ok=True)
            directory = Path(tempfile.mkdtemp(dir=self._directory))
            identity_header = secrets.token_hex(32)
            self._lab.identity_headers[identity_header] = job.name
            try:
                await self._run_in(job, directory, identity_header)
            except (EnvironmentFailedError, OSError) as error:
                LOGGER.exception("job %s of %s could not be started", job.name, job.runbook)
                self._end(job, "Failed", f"The sandbox could not start the job: {error}")
            finally:
                self._lab.identity_headers.pop(identity_header, None)
                await asyncio.to_thread(shutil.rmtree, directory)

    async def _run_in(self, job: Job, directory: Path, identity_header: str) -> None:
        python = await self._python(job)
        if python is None or job.status in TERMINAL:
            return
        script = directory / f"{job.runbook}-{job.job_id}.py"
        script.write_bytes(job.content)
        assets = directory / "assets.json"
        assets.write_text(self._account.assets(), encoding="utf-8")
        temporary = directory / "temp"
        temporary.mkdir()
        started = self._lab.clock.now()
        process = JobProcess(
            command=[python, script, *job.arguments],
            directory=directory,
            environment={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "HOME": str(directory),
                "TMPDIR": str(temporary),
                "IDENTITY_ENDPOINT": f"{self._lab.urls['identity']}{identity.PATH}",
                "IDENTITY_HEADER": identity_header,
                "AUTOMATION_ASSET_ACCOUNTID": self._account.guid,
                "AUTOMATION_ASSET_SANDBOX_ID": str(uuid.uuid4()),
                ASSETS_FILE_VARIABLE: str(assets),
                # Any client trusts the certificates of Azure's services. The lab's own authority must be named.
                "REQUESTS_CA_BUNDLE": str(self._lab.jobs_trust),
                "SSL_CERT_FILE": str(self._lab.jobs_trust),
            },
            on_line=lambda line: job.take_line(line, at=self._lab.clock.now()),
            time_is_up=lambda: self._lab.clock.now() - started > RUN_SECONDS,
        )
        job.process, job.started = process, started
        self._set(job, "Running")
        try:
            outcome = await process.run()
        finally:
            job.process, job.peak_memory_bytes = None, process.peak_memory_bytes
        self._conclude(job, outcome)

    async def _python(self, job: Job) -> Path | None:
        """Return the python of the job's runtime environment. If the lab has none, fail the job and return None."""
        if job.kind not in PYTHON_RUNBOOK_TYPES:
            self._end(
                job,
                "Failed",
                f"The lab runs no runbooks of type {job.kind}, only {' and '.join(PYTHON_RUNBOOK_TYPES)}.",
            )
            return None
        environment = self._account.environments.get((job.environment or "").lower())
        if environment is None:
            self._end(
                job,
                "Failed",
                f"The runbook has no runtime environment in this account ({job.environment!r}). Azure would run it "
                "with Python 3.8, which the lab does not have. Set the runbook's runtimeEnvironment.",
            )
            return None
        if (environment.language, environment.version) != (LANGUAGE, LANGUAGE_VERSION):
            runs = f"The lab runs no {environment.language} {environment.version}, only {LANGUAGE} {LANGUAGE_VERSION}."
            self._end(job, "Failed", runs)
            return None
        return await self._environments.python(
            [package.wheel for package in environment.packages.values() if package.wheel]
        )

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        job.exit_code, job.cpu_seconds = outcome.exit_code, outcome.cpu_seconds
        if outcome.end is End.EXITED and outcome.exit_code == 0:
            self._end(job, "Completed")
        elif outcome.end is End.EXITED:
            self._end(job, "Failed", outcome.stderr)
        else:
            stopped = outcome.end in (End.STOPPED, End.TIME_LIMIT)
            self._end(job, "Stopped" if stopped else "Failed", EXCEPTIONS.get(outcome.end))

    def _note_first_request(self, job_id: str) -> None:
        job = self.by_name.get(job_id.lower())
        if job is not None and job.process is not None:
            job.cpu_seconds_to_first_request = job.process.cpu_seconds()

    def _set(self, job: Job, status: str) -> None:
        job.status, job.modified = status, self._lab.clock.now()

    def _end(self, job: Job, status: str, exception: str | None = None) -> None:
        self._set(job, status)
        job.ended, job.exception = job.modified, exception
