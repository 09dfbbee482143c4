"""The result of one check.

It is good only if the check has seen that all is well. If the check cannot look, it is unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, azure, container_registry, deployment
from runbook_lib.network.failures import as_runbook_error

State = Literal["good", "bad", "unknown"]
# The words of a service whose network rules refuse a request of any identity. Key Vault: inner codes (learn
# key-vault/general/private-link-diagnostics). Storage: AuthorizationFailure; a missing role is
# AuthorizationPermissionMismatch (learn storage/common/storage-network-security). Container registries: words
# (Azure/acr#633).
NETWORK_CODES = ("ForbiddenByFirewall", "ForbiddenByConnection", "AuthorizationFailure")
NETWORK_WORDS = "aka.ms/acr/firewall"
# The maximum length of a detail, which may quote a service. A row is one record of a job's output.
SHOWN_CHARACTERS = 500
_REFUSALS = (azure.REQUEST_REFUSED, container_registry.IDENTITY_REFUSED)


class NotKnownError(Exception):
    """A check raises it if there is nothing to look at yet. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the preflight's table.

    Attributes:
        subject: The thing that was looked at, e.g. `Key Vault: secret publisher-acr-token`.
        state: good, bad or unknown. Bad means that a deployment would fail.
        detail: What the check has seen.
        error: The error of a bad finding, with its cause, its remedy and the shell command.
    """

    subject: str
    state: State
    detail: str
    error: RunbookError | None = None

    def as_json(self) -> Mapping[str, str]:
        """Return the row for programs. All values are texts, "" for a missing one."""
        error = self.error
        return {
            "subject": self.subject,
            "state": self.state,
            "detail": one_line(self.detail, SHOWN_CHARACTERS),
            "code": error.code if error else "",
            "remedy": error.remedy if error else "",
            "line": error.line if error else "",
        }


def good(subject: str, detail: str) -> Finding:
    """Return the finding for something that is right."""
    return Finding(subject=subject, state="good", detail=detail)


def bad(subject: str, error: RunbookError) -> Finding:
    """Return the finding for something that would make a deployment fail."""
    return Finding(subject=subject, state="bad", detail=error.message, error=error)


def unknown(subject: str, why: str) -> Finding:
    """Return the finding for something that could not be looked at."""
    return Finding(subject=subject, state="unknown", detail=why)


def look(subject: str, check: Callable[[], str], *, refused: State = "bad") -> Finding:
    """Return the finding of a check.

    Args:
        subject: The thing that is looked at.
        check: Returns what it has seen. It raises an error for something wrong, and NotKnownError if it cannot look.
        refused: The state if a service refuses the request. For the runbooks' identity it is "bad", because a
            deployment makes the same request and would fail. For any other identity a refusal shows nothing, so it is
            "unknown".

    Raises:
        Exception: An error that is not in the catalogue. It is a fault of this code.
    """
    try:
        return good(subject, check())
    except NotKnownError as error:
        return unknown(subject, str(error))
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        return of_error(subject, named, refused=refused)


def of_error(subject: str, error: RunbookError, *, refused: State) -> Finding:
    """Return the finding of a check that has raised an error. `refused` is the same as for `look`."""
    if not error.is_(*_REFUSALS):
        return bad(subject, error)
    if refused != "bad":
        return unknown(subject, error.message)
    if NETWORK_WORDS in error.detail or any(code in error.detail for code in NETWORK_CODES):
        return bad(subject, deployment.KEPT_OUT.error(error.detail, target=error.target))
    return bad(subject, error)
