"""Failures of trust: signatures, their certificates, and what they cover."""

from runbook_lib.error_entry import ErrorEntry

ENTRIES: tuple[ErrorEntry, ...] = ()
