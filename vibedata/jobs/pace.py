"""Decide how often to ask Automation about a job: the longer the job runs, the less often. The answers count, too.

Automation has a separate limit for reads of jobs: 600 were recorded as the full number, for a minute or longer
(docs/azure-facts.md#recorded-answers). Everybody who follows a job of the same subscription shares this number.
"""

from collections.abc import Mapping

from runbook_lib.automation.jobs import LOOK_MAX_SECONDS, pause
from runbook_lib.basics.clock import Clock
from runbook_lib.network.retry import retry_after_seconds

REMAINING = "x-ms-ratelimit-remaining-subscription-resource-requests"
# If fewer reads remain than the first number, look as seldom as possible. Below the second number, look three times
# less often.
LOW_READS, LAST_READS = 100, 20
LAST_READS_SECONDS = 30.0
# Even if a service asks for a longer pause, ask again after this time: its answer may have meant something else.
MAX_RETRY_AFTER_SECONDS = 600.0


class Pace:
    """The time between two looks at one job."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self._retry_after = 0.0

    def take(self, headers: Mapping[str, str]) -> None:
        """Learn from the header fields of an answer."""
        remaining = str(headers.get(REMAINING, ""))
        if remaining.isascii() and remaining.isdigit():
            self._remaining = int(remaining[:9])
        asked = retry_after_seconds(headers, self._clock.now()) or 0.0
        self._retry_after = min(asked, MAX_RETRY_AFTER_SECONDS)

    def seconds(self, waited: float) -> float:
        """Return the seconds until the next look. `waited` is the time so far."""
        least = pause(waited)
        if self._remaining is not None and self._remaining < LOW_READS:
            least = LOOK_MAX_SECONDS
        if self._remaining is not None and self._remaining < LAST_READS:
            least = LAST_READS_SECONDS
        return max(least, self._retry_after)
