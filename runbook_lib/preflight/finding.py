"""What one check has found. Good is only what was seen to be good: what cannot be looked at is unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import RunbookError
from runbook_lib.network.failures import as_runbook_error

State = Literal["good", "bad", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the preflight's table.

    Attributes:
        subject: what was looked at, e.g. `Key Vault: secret publisher-acr-token`.
        state: bad is what a deployment would fail at.
        detail: what was seen.
        error: of a bad finding: cause, remedy and the line to type.
    """

    subject: str
    state: State
    detail: str
    error: RunbookError | None = None


def good(subject: str, detail: str) -> Finding:
    """Return the finding of something that is as it must be."""
    return Finding(subject=subject, state="good", detail=detail)


def bad(subject: str, error: RunbookError) -> Finding:
    """Return the finding of something that a deployment would fail at."""
    return Finding(subject=subject, state="bad", detail=error.message, error=error)


def unknown(subject: str, why: str) -> Finding:
    """Return the finding of something that could not be looked at."""
    return Finding(subject=subject, state="unknown", detail=why)


def look(subject: str, check: Callable[[], str]) -> Finding:
    """Return what a check finds; it returns what it has seen, or raises what is wrong.

    A deployment makes the same request, so that its failure is a finding. Raises what no error of the catalogue names:
    a fault of ours.
    """
    try:
        return good(subject, check())
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        return bad(subject, named)
