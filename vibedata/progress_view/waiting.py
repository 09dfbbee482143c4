"""Say in one sentence what a step waits for, why, and how long this takes. Pure."""

import math
from collections.abc import Mapping

from vibedata.progress_view.expected import (
    IMPORT_WINDOW_SECONDS,
    IMPORTS_AT_ONCE,
    JOB_START_SECONDS,
    imports_seconds,
    step_seconds,
    whole_seconds,
)
from vibedata.progress_view.state import COMING, GOES_ON, RUNNING, STARTING, Job, Kind, State, Step, duration

# The publication imports packages with this action (runbook_lib.automation.publication).
IMPORT = "import"
_IN_FRONT = {"keep": "files", "create": "environments", IMPORT: "packages", "publish": "runbooks", "set": "variables"}


def waiting_for(step: Step, now: float) -> str:
    """Return what the present step waits for, and why."""
    if step.job is not None:
        return _job(step, step.job, now)
    kind = next((kind for kind in step.kinds if kind.since is not None and kind.ended < kind.total), None)
    if kind is not None:
        return _kind(step, kind, now)
    return step.waits or "waiting for an answer"


def take_up(job_id: str, option: str = "") -> str:
    """Return the line that follows a job again. option: see vibedata.instances.choice.Customer."""
    return f"vibedata logs {job_id} --follow{option}"


def left(step: Step | None, option: str = "") -> Mapping[str, object]:
    """Return what a program learns of the step that ran when a command was interrupted."""
    job_id = "" if step is None or step.job is None else step.job.job_id
    return {
        "status": "interrupted",
        "job_id": job_id or None,
        "goes_on": goes_on(step, option),
        "resume": take_up(job_id, option) if job_id else None,
    }


def goes_on(step: Step | None, option: str = "") -> str:
    """Return what goes on in Azure after nobody follows the present step any more.

    `option`: see vibedata.instances.choice.Customer.
    """
    if step is None:
        return "Nothing goes on in Azure."
    job = step.job
    if job is not None and job.job_id:
        return (
            f"Job {job.job_id} of {job.runbook} goes on in Azure (last seen: {job.status})."
            f" `{take_up(job.job_id, option)}` follows it again."
        )
    if job is not None:
        return (
            f"Automation had just been asked for a job of {job.runbook}: it may run in Azure."
            f" `vibedata jobs{option}` shows it."
        )
    if any(kind.ended < kind.total for kind in step.kinds):
        return (
            "Automation goes on with its last requests: imports of packages, and publications of runbooks."
            " A rerun sees the result."
        )
    return "No job runs in Azure."


def expected_seconds(step: Step) -> float:
    """Return the usual seconds of a step, with the time for the packages that it imports."""
    usual = step_seconds(step.name, is_job=step.is_job)
    packages = next((kind.total for kind in step.kinds if kind.name == IMPORT), 0)
    return usual + imports_seconds(packages) if packages else usual


def whole_expected_seconds(state: State, now: float) -> float:
    """Return the usual seconds of all steps: the time so far, and the time of the coming steps."""
    coming = whole_seconds((step.name, step.is_job) for step in state.steps if step.status == COMING)
    passed = now - state.began
    current = state.current
    left = 0.0 if current is None else max(expected_seconds(current) - (now - current.began), 0.0)
    return passed + left + coming


def elapsed_of(step: Step, now: float) -> str:
    """Return in words how long a step has run, and how long it usually runs."""
    if step.status != GOES_ON:
        return duration(step.seconds)
    return of_about(now - step.began, expected_seconds(step))


def of_about(passed: float, expected: float) -> str:
    """Return a time beside the usual one: `40 s of about 2 min`. If it is longer: `3 min 10 s; usually about 2 min`."""
    words = f"{duration(passed)}; usually about" if passed > expected else f"{duration(passed)} of about"
    return f"{words} {about(expected)}"


def about(seconds: float) -> str:
    """Return an approximate time in words: in tens of seconds below two minutes, otherwise in minutes.

    It is rounded up.
    """
    tens = max(math.ceil(seconds / 10), 1) * 10
    return f"{tens} s" if tens < 120 else f"{math.ceil(tens / 60)} min"


def _job(step: Step, job: Job, now: float) -> str:
    waited = now - job.since
    if not job.job_id:
        return f"Automation is asked for a job of {job.runbook}"
    if job.status in STARTING:
        why = "Automation starts jobs within about a minute"
        if waited > JOB_START_SECONDS:
            why = "this is longer than usual: other jobs of the account may be in front of it"
        return f"job {job.status} for {duration(waited)}; {why}"
    words = f"job {job.status or 'of unknown status'} for {duration(waited)}"
    progress = step.job_progress
    if job.status != RUNNING or progress is None or progress.total is None:
        return words
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{words}; {progress.done} of {progress.total} changes done{failed}"


def _kind(step: Step, kind: Kind, now: float) -> str:
    words = f"{_IN_FRONT.get(kind.name, kind.name)}: {kind.ended} of {kind.total}"
    if step.progress is not None and step.progress.failed:
        words += f", {step.progress.failed} failed"
    if kind.name != IMPORT:
        return words
    why = "an import takes about a minute"
    if kind.total > IMPORTS_AT_ONCE:
        why = f"Automation takes {IMPORTS_AT_ONCE} in {IMPORT_WINDOW_SECONDS:.0f} s"
    left = imports_seconds(kind.total) - (now - (kind.since or now))
    return f"{words}; {why}; " + (f"about {about(left)}" if left > 0 else "this is longer than usual")
