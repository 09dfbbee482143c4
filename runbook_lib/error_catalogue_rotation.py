"""Failures of a rotation: the key that signs callbacks, and the container registry token."""

from runbook_lib.error_entry import ErrorEntry

ENTRIES: tuple[ErrorEntry, ...] = ()
