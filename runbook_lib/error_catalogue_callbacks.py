"""Failures of callbacks to the publisher."""

from runbook_lib.error_entry import ErrorEntry

ENTRIES: tuple[ErrorEntry, ...] = ()
