"""Turn any exception of a change into an error that a command can show."""

from runbook_lib.errors import RunbookError, run
from runbook_lib.network.failures import as_runbook_error


def name_any(error: BaseException) -> RunbookError:
    """Return the catalogue's error for `error`. For an unexpected one this is VD-ENGINE-900 with its own text."""
    return as_runbook_error(error) or run.UNEXPECTED.error(f"{type(error).__name__}: {error}")
