"""The permissions that every run needs: for the log, the spools, the retry policy, and the keys of the spools."""

from runbook_lib.permissions.credentials import READ_SECRETS
from runbook_lib.permissions.storage import READ_TABLES, USE_BLOBS
from runbook_lib.permissions.watching import WRITE_LOG

EVERY_RUNBOOK = (WRITE_LOG, USE_BLOBS, READ_TABLES, READ_SECRETS)
