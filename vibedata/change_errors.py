"""What a command says of a change that failed, whatever it raised."""

from runbook_lib.errors import RunbookError, run
from runbook_lib.network.failures import as_runbook_error


def name_any(error: BaseException) -> RunbookError:
    """Return the catalogue's error for `error`; for what nobody foresaw VD-ENGINE-900, with what it says itself."""
    return as_runbook_error(error) or run.UNEXPECTED.error(f"{type(error).__name__}: {error}")
