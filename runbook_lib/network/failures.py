"""Turn the exceptions of the transports into errors with a code, so that users see no exceptions of libraries."""

import sys
import urllib.parse

from runbook_lib.basics.service_words import ServiceWords, words_of_body
from runbook_lib.errors import ErrorEntry, RunbookError
from runbook_lib.errors import azure as azure_errors
from runbook_lib.network.trouble import placed

# An SDK raises one of these if an answer does not have the form that it expects. Others, such as ImportError, OSError
# and MemoryError, have their cause on this machine.
_STUMBLES = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
# RFC 9110, 15.5.19: no service uses this status.
UNUSED_STATUS = 418
# Somebody changed the resource between our read and our write (RFC 9110, 15.5.13): a rerun reads it again.
PRECONDITION_FAILED = 412
# ARM's code for a token of a tenant that does not know the subscription.
WRONG_TENANT = "InvalidAuthenticationTokenTenant"
# Codes of a 4xx for a state that ends by itself, so that a rerun helps. Storage: learn rest/api/storageservices/
# {common,blob,table}-service-error-codes; Key Vault: inner codes of a Conflict (azure-sdk-for-go#10813,
# azure-sdk-for-net#23748, #31581); ARM: learn azure-resource-manager/troubleshooting/common-deployment-errors. These
# are not in the set, because their state does not end by itself: ObjectIsDeletedButRecoverable,
# ResourceGroupBeingDeleted, ScopeLocked, SnapshotsPresent.
PASSING_CODES = frozenset(
    {
        "TableBeingDeleted",
        "ContainerBeingDeleted",
        "QueueBeingDeleted",
        "ShareBeingDeleted",
        "BlobBeingRehydrated",
        "PendingCopyOperation",
        "LeaseAlreadyPresent",
        "LeaseIdMissing",
        "LeaseIsBreakingAndCannotBeAcquired",
        "AccountBeingCreated",
        "AccountIsBeingCreated",
        "StorageAccountIsNotProvisioned",
        "StorageAccountOperationInProgress",
        "ObjectIsBeingCreated",
        "ObjectIsBeingDeleted",
        "ObjectIsBeingRecovered",
        "VaultAlreadyBeingRecovered",
        "AnotherOperationInProgress",
        "ConcurrentOperation",
        "OperationPreempted",
        "RetryableError",
        "UpdateConditionNotSatisfied",
        "ConditionNotMet",
    }
)


def as_runbook_error(error: BaseException) -> RunbookError | None:
    """Return `error` if it is a RunbookError, else its error of area VD-NET, None if there is none.

    The causes of an exception count, too: libraries wrap what a credential raises.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RunbookError):
            return cause
        cause = cause.__cause__
    azure, requests = "azure.core.exceptions", "requests.exceptions"
    status = getattr(error, "status_code", None)
    if isinstance(error, _loaded(azure, "HttpResponseError")) and status is not None:
        refusal = _refusal(status, service_codes(error), _words(error), _host(error))
        return None if refusal is None else placed(refusal, error)
    if isinstance(error, _loaded(azure, "AzureError") + _loaded(requests, "RequestException")):
        return placed(azure_errors.UNREACHABLE.error(_words(error)), error)
    if _is_of_reading(error):
        return azure_errors.ANSWER_UNREADABLE.error(f"{type(error).__name__} {_words(error)}")
    return None


def _is_of_reading(error: BaseException) -> bool:
    """Return whether an SDK itself raised `error`, and not our code that the SDK calls (policies, transports).

    The SDKs expect an answer in the service's form. If a proxy answers with another page, an SDK may raise an exception
    of any type.
    """
    if not (isinstance(error, _STUMBLES) or type(error).__module__.startswith("azure.")):
        return False
    raised_in = ""
    trace = error.__traceback__
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        raised_in = package if package in ("azure", "runbook_lib") else raised_in
        trace = trace.tb_next
    return raised_in == "azure"


def _loaded(module: str, name: str) -> tuple[type, ...]:
    """Return the module's type `name` if the module has been imported. If not, no error can have that type.

    This function imports nothing: a stop, or a broken package, would raise another error and hide the first one.
    """
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) else ()


def service_codes(error: BaseException) -> tuple[str, ...]:
    """Return the codes with which a service says why it refused, the outermost first, () if it gives none.

    Storage gives a code in a header. Key Vault and ARM give codes in the body. Use only the codes to find a cause: the
    words may hold names of resources.
    """
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    found = [str(getattr(error, "error_code", None) or ""), str(headers.get("x-ms-error-code") or "")]
    return tuple(dict.fromkeys(code for code in (*found, *said_by_service(error).codes) if code))


def said_by_service(error: BaseException) -> ServiceWords:
    """Return what the body of a service's error says."""
    response = getattr(error, "response", None)
    return ServiceWords() if response is None else words_of_body(response.body())


def _refusal(status: int, codes: tuple[str, ...], words: str, host: str) -> RunbookError | None:
    if status == UNUSED_STATUS:
        return None
    told = " ".join(code for code in codes if code not in words)
    detail = " ".join(part for part in (str(status), told, words) if part)
    return _entry(status, codes).error(detail, target=host)


def _entry(status: int, codes: tuple[str, ...]) -> ErrorEntry:
    if status == 401 and WRONG_TENANT in codes:
        return azure_errors.LOGIN_OF_OTHER_TENANT
    if status in (401, 403):
        return azure_errors.REQUEST_REFUSED
    if status in (408, 429) or status >= 500:
        return azure_errors.SERVICE_FAILED
    if status < 300:
        return azure_errors.ANSWER_UNREADABLE
    passing = status == PRECONDITION_FAILED or not PASSING_CODES.isdisjoint(codes)
    return azure_errors.SERVICE_BUSY if passing else azure_errors.REQUEST_NOT_TAKEN


def _words(error: BaseException) -> str:
    """Return the first line of the error.

    The other lines are request ids and repetitions. This does not cut the text: the code that redacts it does.

    If the message holds JSON, the SDK shows the JSON. If the body is a text, the SDK shows nothing. Then this returns
    what the body says.
    """
    said = said_by_service(error) if getattr(error, "status_code", None) else ServiceWords()
    read_by_sdk = str(getattr(getattr(error, "error", None), "message", None) or "")
    if said.codes and said.message != " ".join(read_by_sdk.split()):
        return str(said)
    return " ".join(str(error).partition("\n")[0].split())


def _host(error: BaseException) -> str:
    request = getattr(getattr(error, "response", None), "request", None)
    # Only the host, because an address may hold a signature.
    return urllib.parse.urlsplit(str(getattr(request, "url", ""))).hostname or ""
