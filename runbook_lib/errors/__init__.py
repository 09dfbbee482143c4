"""Every failure that a user can meet: one module for each area, and the error class that carries an entry.

A module imports only the areas whose failures it raises, so that a built runbook holds no others. All areas together
are in vibedata/error_catalogue.py.
"""

from runbook_lib.errors.entry import EXIT_FAILED, EXIT_USAGE, ErrorEntry, RefusedSigner, RunbookError

__all__ = ["EXIT_FAILED", "EXIT_USAGE", "ErrorEntry", "RefusedSigner", "RunbookError"]
