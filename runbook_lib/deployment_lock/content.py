"""The text in a lock's blob. It says who holds the lock. Pure.

Anybody with rights on the account's blobs may write the blob while nobody holds its lease. So this module accepts a
text only in the form that it writes itself.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.azure.names import AUTOMATION_ACCOUNT, RESOURCE_GROUP
from runbook_lib.basics import strict_json
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.basics.forms import fits
from runbook_lib.basics.visible_text import is_visible
from runbook_lib.run.parameters import CORRELATION_ID

SCHEMA_VERSION = 1
# A content that the suite writes has about 600 bytes.
MAX_CONTENT_BYTES = 8192
MAX_WHO_CHARACTERS = 200
# The content of a lock's blob before its first holder has written it.
NOBODY = b"{}"

_STEP = re.compile(r"[a-z][a-z0-9_ ]{0,63}")


class NotALocksContentError(ValueError):
    """A lock's blob holds something that no holder of the lock writes.

    The message says what is wrong, and quotes nothing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentJobs:
    """The jobs of one deployment: the correlation id that each job has as a parameter, and the account in which they
    run.
    """

    correlation_id: str
    resource_group: str
    automation_account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContent:
    """The holder of a lock.

    Attributes:
        who: The holder's name for people.
        jobs: The jobs that the holder starts.
        since: When the holder took the lock, by its own clock.
        step: The present step.
        step_since: When the holder began the step, or the present part of it, by its own clock.
        ended: The holder has given the lock back, and none of its jobs runs.
        former_jobs: The jobs of an earlier holder, if this holder has not looked for them yet. Until it has looked, it
            begins no step.
    """

    who: str
    jobs: DeploymentJobs
    since: datetime
    step: str
    step_since: datetime
    ended: bool = False
    former_jobs: DeploymentJobs | None = None


def encoded(content: LockContent) -> bytes:
    """Return the bytes for the blob."""
    former = content.former_jobs
    document = {
        "schema_version": SCHEMA_VERSION,
        "who": content.who,
        "jobs": _jobs_as_json(content.jobs),
        "since": rfc3339(content.since),
        "step": content.step,
        "step_since": rfc3339(content.step_since),
        "ended": content.ended,
        "former_jobs": None if former is None else _jobs_as_json(former),
    }
    return json.dumps(document, indent=1).encode()


def read_content(content: bytes) -> LockContent | None:
    """Return the content of a lock's blob. Return None if the lock never had a holder. Raises NotALocksContentError."""
    if len(content) > MAX_CONTENT_BYTES:
        raise NotALocksContentError(f"it has more than {MAX_CONTENT_BYTES} bytes")
    if content == NOBODY:
        return None
    try:
        document = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise NotALocksContentError("it is no JSON") from error
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise NotALocksContentError(f"it is no JSON object of schema_version {SCHEMA_VERSION}")
    former = document.get("former_jobs")
    ended = document.get("ended")
    if not isinstance(ended, bool):
        raise NotALocksContentError("its ended is neither true nor false")
    return LockContent(
        who=_who(document.get("who")),
        jobs=_jobs(document.get("jobs"), "jobs"),
        since=_time(document.get("since"), "since"),
        step=_matching(_STEP, document.get("step"), "step"),
        step_since=_time(document.get("step_since"), "step_since"),
        ended=ended,
        former_jobs=None if former is None else _jobs(former, "former_jobs"),
    )


def jobs_left(content: LockContent | None) -> DeploymentJobs | None:
    """Return the jobs that an earlier holder may have left, None if there are none.

    `content` is what that holder wrote.

    If that holder had not looked for the jobs of the holder before it, it has begun no step and started no job. Then
    this returns the jobs of the holder before it.
    """
    if content is None:
        return None
    if content.former_jobs is not None:
        return content.former_jobs
    return None if content.ended else content.jobs


def described(content: LockContent, now: datetime) -> str:
    """Return in words who holds a lock, since when, and at which step."""
    return (
        f"held by {content.who}, since {_moment(content.since)} ({_age(content.since, now)}), at step {content.step}"
        f" ({_age(content.step_since, now)}); correlation id {content.jobs.correlation_id}"
    )


def _jobs_as_json(jobs: DeploymentJobs) -> dict[str, str]:
    return {
        "correlation_id": jobs.correlation_id,
        "resource_group": jobs.resource_group,
        "automation_account": jobs.automation_account,
    }


def _jobs(value: object, name: str) -> DeploymentJobs:
    found: Mapping[str, Any] = value if isinstance(value, dict) else {}
    group, account = found.get("resource_group"), found.get("automation_account")
    if not (isinstance(group, str) and fits(RESOURCE_GROUP, group)):
        raise NotALocksContentError(f"its {name} have no resource group")
    if not (isinstance(account, str) and fits(AUTOMATION_ACCOUNT, account)):
        raise NotALocksContentError(f"its {name} have no Automation account")
    return DeploymentJobs(
        correlation_id=_matching(CORRELATION_ID, found.get("correlation_id"), f"{name}' correlation_id"),
        resource_group=group,
        automation_account=account,
    )


def _who(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_WHO_CHARACTERS or not all(map(is_visible, value)):
        raise NotALocksContentError("its who is no line of text")
    return value


def _matching(form: re.Pattern[str], value: object, name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise NotALocksContentError(f"its {name} has another form")
    return value


def _time(value: object, name: str) -> datetime:
    try:
        moment = from_rfc3339(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NotALocksContentError(f"its {name} is no time")
    return moment


def _moment(moment: datetime) -> str:
    return rfc3339(moment)[:19].replace("T", " ") + " UTC"


def _age(moment: datetime, now: datetime) -> str:
    """Return in words how long ago a moment was. Two clocks may differ, so a moment in the future counts as now."""
    seconds = max(0, int((now - moment).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
