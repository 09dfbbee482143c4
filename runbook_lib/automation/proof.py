"""Find out which runbooks are proven by a former job that Automation has kept.

Automation keeps each job for 30 days, with the text that it ran and what that text printed. The only way to write such
a record is to run a job, so no other record is needed (docs/decisions). A runbook is proven if its newest ended job

1. ran the text that the release pins, byte for byte,
2. in the runtime environment of the release's packages, in a sandbox and not on a hybrid worker,
3. with the settings of this run, and after the account's settings were last written,
4. and has a result that shows no shortcoming (runbook_lib.automation.trial).

If one of these facts is missing, cannot be read or has another form, the runbook is not proven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from runbook_lib.automation.access import plain
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import ENDED, job_result, job_state
from runbook_lib.automation.states import LOOKS_AT_ONCE
from runbook_lib.automation.texts import job_text
from runbook_lib.automation.trial import shortcoming_of
from runbook_lib.azure.settings import AUTOMATION_VARIABLE
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import settings_in
from runbook_lib.workers import side_by_side


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a job must have in common with this run.

    Attributes:
        environment: The runtime environment.
        settings: The run's parameter `settings`.
    """

    environment: str
    settings: Mapping[str, str]


def unproven(account: AutomationAccount, texts: Mapping[str, str], conditions: Conditions) -> Mapping[str, str]:
    """Return the runbooks that are not proven, each with the reason.

    `texts` has the SHA-256 (hex) of the text of each runbook, by its name. Raises RunbookError VD-STORAGE-005 (too many
    jobs are listed), and azure.core's errors.
    """
    since = account.variable_written(AUTOMATION_VARIABLE)
    newest = _newest_jobs(account, texts)

    def why(name: str) -> str:
        job = newest.get(name.lower())
        return "no job of it has ended" if job is None else _why_not(account, job, texts[name], since, conditions)

    reasons = side_by_side(why, texts, at_once=LOOKS_AT_ONCE)
    return {name: reason for name, reason in zip(texts, reasons, strict=True) if reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class _EndedJob:
    job_id: str
    created: datetime
    environment: str
    run_on: str


def _newest_jobs(account: AutomationAccount, names: Mapping[str, object]) -> Mapping[str, _EndedJob]:
    """Return the newest ended job of each runbook, by the runbook's name in small letters."""
    wanted = {name.lower() for name in names}
    found: dict[str, _EndedJob] = {}
    for each in bounded(account.client.job.list_by_automation_account(*account.at), target="jobs"):
        properties = each.properties
        runbook = ((properties.runbook.name or "") if properties.runbook else "").lower()
        created = properties.creation_time
        if runbook not in wanted or created is None or plain(properties.status) not in ENDED:
            continue
        if runbook in found and found[runbook].created >= created:
            continue
        found[runbook] = _EndedJob(
            job_id=str(each.name),
            created=created,
            environment=_environment_of(properties),
            run_on=properties.run_on or "",
        )
    return found


def had_settings(arguments: Sequence[str], settings: Mapping[str, str]) -> bool:
    """Return whether a job with these arguments had these settings.

    A job that a schedule started has no argument and no settings. Pure.
    """
    return all(settings_in(each) == settings for each in arguments) if arguments else not settings


def _environment_of(properties: Any) -> str:
    ran_in = properties.job_runtime_environment
    return (ran_in.runtime_environment_name or "") if ran_in else ""


def _why_not(
    account: AutomationAccount, job: _EndedJob, text_sha256: str, since: datetime | None, conditions: Conditions
) -> str:
    if job.environment != conditions.environment or job.run_on:
        return "its newest job ran elsewhere"
    if since is not None and job.created <= since:
        return "the settings were written after its newest job"
    try:
        state = job_state(account, job.job_id)
        if not state.ended or not had_settings(state.arguments, conditions.settings):
            return "its newest job had other settings"
        if sha256(job_text(account, job.job_id) or b"").hexdigest() != text_sha256:
            return "its newest job ran another text"
        lack = shortcoming_of(job_result(account, state), ())
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        # A trial does not need the records of former jobs.
        return f"its newest job cannot be read ({named.code})"
    return "" if lack is None else "its newest job did not end well"
