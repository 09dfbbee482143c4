"""An outage of a service that the callback API needs. It is neither the caller's fault nor a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError

from runbook_lib.errors import RunbookError
from runbook_lib.request_signing.verifier import UnavailableError


@contextmanager
def named_outage(what: str) -> Iterator[None]:
    """Raise UnavailableError for errors of SDKs, a credential or the custody of keys. `what` names the missing part."""
    try:
        yield
    except RunbookError as error:
        raise UnavailableError(f"{what}: {error.code}") from error
    except AzureError as error:
        status = getattr(error, "status_code", None)
        raise UnavailableError(f"{what}: {type(error).__name__}{f' {status}' if status else ''}") from error
