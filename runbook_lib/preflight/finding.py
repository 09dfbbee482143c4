"""What one check has found. Good is only what was seen to be good: what cannot be looked at is unknown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, azure, container_registry, deployment
from runbook_lib.network.failures import as_runbook_error

State = Literal["good", "bad", "unknown"]
# What a service says where its network rules refuse a request, whoever asks. Key Vault: inner codes (learn
# key-vault/general/private-link-diagnostics). Storage: AuthorizationFailure, where a missing role is
# AuthorizationPermissionMismatch (learn storage/common/storage-network-security). Container registries: words
# (Azure/acr#633).
NETWORK_CODES = ("ForbiddenByFirewall", "ForbiddenByConnection", "AuthorizationFailure")
NETWORK_WORDS = "aka.ms/acr/firewall"
# Of a detail, which may quote a service: a row is one record of a job's output.
SHOWN_CHARACTERS = 500
_REFUSALS = (azure.REQUEST_REFUSED, container_registry.IDENTITY_REFUSED)


class NotKnownError(Exception):
    """What a check raises where there is nothing yet to look at; the text says what."""


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

    def as_json(self) -> Mapping[str, str]:
        """Return the row for programs: texts only, "" for what it does not have."""
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
    """Return the finding of something that is as it must be."""
    return Finding(subject=subject, state="good", detail=detail)


def bad(subject: str, error: RunbookError) -> Finding:
    """Return the finding of something that a deployment would fail at."""
    return Finding(subject=subject, state="bad", detail=error.message, error=error)


def unknown(subject: str, why: str) -> Finding:
    """Return the finding of something that could not be looked at."""
    return Finding(subject=subject, state="unknown", detail=why)


def look(subject: str, check: Callable[[], str], *, refused: State = "bad") -> Finding:
    """Return what a check finds; it returns what it has seen, or raises what is wrong, or NotKnownError.

    refused: what it means that a service refuses the request. The identity of the runbooks makes the same request in a
    deployment: it would fail, which is bad. Somebody else who may not look finds nothing out. Raises what no error of
    the catalogue names: a fault of ours.
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
    """Return the finding of a look that has ended with an error. refused: as for `look`."""
    if not error.is_(*_REFUSALS):
        return bad(subject, error)
    if refused != "bad":
        return unknown(subject, error.message)
    if NETWORK_WORDS in error.detail or any(code in error.detail for code in NETWORK_CODES):
        return bad(subject, deployment.KEPT_OUT.error(error.detail, target=error.target))
    return bad(subject, error)
