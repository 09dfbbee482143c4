"""Name what the transports raise, so that a user meets a code of the catalogue and not a stack of library errors."""

import urllib.parse

from runbook_lib.errors import RunbookError


def name_error(error: BaseException) -> RunbookError | None:
    """Return the catalogue's error for `error`: itself, or VD-NET-001, -002, -003; None where it is none of them.

    An exception that another was made of counts too: libraries wrap what a credential raises.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RunbookError):
            return cause
        cause = cause.__cause__
    from azure.core.exceptions import AzureError, HttpResponseError
    from requests import RequestException

    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return _refusal(error.status_code, _words(error), _host(error))
    if isinstance(error, (AzureError, RequestException)):
        return RunbookError("VD-NET-001", _words(error))
    return None


def _refusal(status: int, words: str, host: str) -> RunbookError | None:
    if status in (401, 403):
        return RunbookError("VD-NET-003", f"{status} {words}", target=host)
    if status in (408, 429) or status >= 500:
        return RunbookError("VD-NET-002", f"{status} {words}", target=host)
    return None


def _words(error: BaseException) -> str:
    """The first line: what follows are request ids and repetitions. It is cut where it is redacted, not here."""
    return " ".join(str(error).partition("\n")[0].split())


def _host(error: BaseException) -> str:
    request = getattr(getattr(error, "response", None), "request", None)
    # The host alone: an address may carry a signature.
    return urllib.parse.urlsplit(str(getattr(request, "url", ""))).hostname or ""
