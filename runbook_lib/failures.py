"""Name what the transports raise, so that a user meets a code of the catalogue and not a stack of library errors."""

import sys
import urllib.parse

from runbook_lib.errors import RunbookError
from runbook_lib.network_trouble import placed


def name_error(error: BaseException) -> RunbookError | None:
    """Return the catalogue's error for `error`: itself, or VD-NET-001, -002, -003; None where it is none of them.

    An exception that another was made of counts too: libraries wrap what a credential raises.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RunbookError):
            return cause
        cause = cause.__cause__
    azure, requests = "azure.core.exceptions", "requests.exceptions"
    status = getattr(error, "status_code", None)
    if isinstance(error, _loaded(azure, "HttpResponseError")) and status is not None:
        refusal = _refusal(status, _words(error), _host(error))
        return None if refusal is None else placed(refusal, error)
    if isinstance(error, _loaded(azure, "AzureError") + _loaded(requests, "RequestException")):
        return placed(RunbookError("VD-NET-001", _words(error)), error)
    return None


def _loaded(module: str, name: str) -> tuple[type, ...]:
    """Return the module's type `name` where it has been imported; where it has not, no error can be of that type.

    Nothing is imported here: a stop, or a package that is broken, would raise anew and hide the error that is named.
    """
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) else ()


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
