"""Turn the refusals of the Automation account into errors of the catalogue."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import automation
from runbook_lib.network.failures import said_by_service

# The codes for a limit are not documented. Other Azure services use codes that hold one of these words. Search only the
# code, because a runbook, a package or a group may have such a name. One limit has no code of its own. Its message has
# these words (learn automation/troubleshoot/runbooks, "Job attempt limit" and quota).
_LIMIT = re.compile(r"quota|limit", re.IGNORECASE)
_MONTHLY_LIMIT = "The quota for the monthly total job run time"
# An error shows at most this number of characters of Automation's own words.
MAX_WORDS = 300


@contextmanager
def refusals(target: str) -> Iterator[None]:
    """Turn Automation's refusals within the block into errors of this area, except those of network.failures.

    Raises RunbookError VD-AUTOMATION-007 (at a limit), -008 (refused otherwise).
    """
    from azure.core.exceptions import HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        said, status = said_by_service(error), error.status_code
        detail = whole_words(f"{status} {said if said.codes else f'{error.reason}: {said}'}", MAX_WORDS)
        if status != 429 and (_LIMIT.search(" ".join(said.codes)) or said.message.startswith(_MONTHLY_LIMIT)):
            raise automation.ACCOUNT_LIMIT_REACHED.error(detail, target=target) from error
        if status is not None and status < 500 and status not in (401, 403, 408, 429):
            raise automation.CHANGE_REFUSED.error(detail, target=target) from error
        raise
