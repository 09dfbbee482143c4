"""Find out from a trial, a job in plan_only, what a runbook lacks. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from runbook_lib.automation.jobs import JobResult
from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import automation, azure, component_registry, container_registry, release, vault

ShortcomingKind = Literal["package", "role", "name", "endpoint", "other"]

# The kind of a shortcoming, by the error's code, or otherwise by its area.
_KINDS: dict[str, ShortcomingKind] = {
    azure.IDENTITY: "role",
    azure.UNREACHABLE.code: "endpoint",
    azure.SERVICE_FAILED.code: "endpoint",
    azure.REQUEST_REFUSED.code: "role",
    container_registry.REGISTRY: "endpoint",
    container_registry.TOKEN_REFUSED.code: "role",
    container_registry.IDENTITY_REFUSED.code: "role",
    azure.SETTINGS: "name",
    release.NO_SUCH_RELEASE.code: "name",
    release.NO_RELEASE_INSTALLED.code: "name",
    release.ARTIFACT_MISSING.code: "name",
    release.CONTAINER_NOT_IMMUTABLE.code: "name",
    release.CONTAINER_MISSING.code: "name",
    vault.AREA: "name",
    automation.ACCOUNT_UNUSABLE.code: "name",
}
# Failures that show no shortcoming. If a run refuses the offered release, it has read all that it needs. If a schedule
# starts a check of health before the first bootstrap, the check finds no component.
_REFUSALS = frozenset(
    {
        release.RELEASE_EXPIRED.code,
        release.RELEASE_OLDER_THAN_INSTALLED.code,
        release.SAME_VERSION_OTHER_DIGEST.code,
        component_registry.NO_COMPONENT_REGISTERED.code,
    }
)
# Python's own words, in a traceback on stderr or in the verbose stream.
_NO_MODULE = re.compile(r"(?:No module named|cannot import name) ['\"]([\w.]+)['\"]")
# This many characters of a job's exception are shown. The exception may be a whole traceback.
MAX_EXCEPTION = 300


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """One thing that a runbook lacks. `what` is a text of the runbook or of Automation."""

    kind: ShortcomingKind
    what: str

    def __str__(self) -> str:
        """Return a row of the table, without the runbook's name."""
        return f"lacks {self.kind:<8}  {self.what}"


def shortcoming_of(job: JobResult, lines: Iterable[str]) -> Shortcoming | None:
    """Return the shortcoming that an ended job shows, None if there is none. `lines` are those of its streams."""
    error = job.result["error"] if job.result is not None else None
    if job.result is not None and (error is None or error["code"] in _REFUSALS):
        return None
    missing = next((found[1] for text in (job.exception, *lines) if (found := _NO_MODULE.search(text))), None)
    if missing is not None:
        return Shortcoming("package", f"no module {missing}")
    if error is None:
        words = job.exception.strip().splitlines()[-1:] or [job.problem or "it printed no result"]
        return Shortcoming("other", f"the job is {job.status}: {whole_words(words[0], MAX_EXCEPTION)}")
    return Shortcoming(_kind_of(error["code"]), f"{error['code']}: {error['message']}")


def _kind_of(code: str) -> ShortcomingKind:
    return _KINDS.get(code) or _KINDS.get(code.rpartition("-")[0], "other")
