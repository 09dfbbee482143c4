"""How often Automation is asked about a job: less often the longer it runs, and as the service's answers ask for.

Automation counts the reads of jobs by themselves: 600 were recorded as the whole of an empty minute or more
(docs/azure-facts.md#recorded-answers). All who follow a job of a subscription share them.
"""

from collections.abc import Mapping

from runbook_lib.automation.jobs import LOOK_MAX_SECONDS, pause
from runbook_lib.basics.clock import Clock
from runbook_lib.network.retry import retry_after_seconds

REMAINING = "x-ms-ratelimit-remaining-subscription-resource-requests"
# Below so many remaining reads a follower looks as seldom as it may, and below the second number, three times less.
LOW_READS, LAST_READS = 100, 20
LAST_READS_SECONDS = 30.0
# A service that asks for more is asked again all the same: it may have meant something else.
MAX_RETRY_AFTER_SECONDS = 600.0


class Pace:
    """The time between two looks at one job."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self._retry_after = 0.0

    def take(self, headers: Mapping[str, str]) -> None:
        """Learn from the fields of an answer."""
        remaining = str(headers.get(REMAINING, ""))
        if remaining.isascii() and remaining.isdigit():
            self._remaining = int(remaining[:9])
        asked = retry_after_seconds(headers, self._clock.now()) or 0.0
        self._retry_after = min(asked, MAX_RETRY_AFTER_SECONDS)

    def seconds(self, waited: float) -> float:
        """Return the seconds until the next look at a job that has been waited for so long."""
        least = pause(waited)
        if self._remaining is not None and self._remaining < LOW_READS:
            least = LOOK_MAX_SECONDS
        if self._remaining is not None and self._remaining < LAST_READS:
            least = LAST_READS_SECONDS
        return max(least, self._retry_after)
