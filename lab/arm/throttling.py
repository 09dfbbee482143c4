"""ARM's throttling: one token bucket for each principal and kind of request.

Faithful: bucket sizes, refill rates, the remaining-requests headers, 429 with Retry-After (learn
request-limits-and-throttling: per subscription, principal and operation type; reads 250 refilled at 25/s, writes and
deletes 200 at 10/s); jobs of Automation have a bucket of their own, 600 reads and 2,000 writes (recorded answers of
2021). Not documented and chosen here: how soon the jobs' buckets are full again, a minute. Left out: the tenant's
buckets, the sum over all principals, other resource providers' own limits.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

READ_METHODS = frozenset({"GET", "HEAD"})
JOBS = re.compile(r".*/providers/Microsoft\.Automation/automationAccounts/[^/]+/jobs(/.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size in requests and its refill in requests per second."""

    size: float
    refill: float


LIMITS = {
    "reads": Limit(250, 25),
    "writes": Limit(200, 10),
    "deletes": Limit(200, 10),
    "job reads": Limit(600, 10),
    "job writes": Limit(2000, 2000 / 60),
}
OWN_BUCKETS = frozenset({"job reads", "job writes"})


def kind_of(method: str, path: str) -> str:
    """Return which bucket a request is taken from."""
    reads = method in READ_METHODS
    if JOBS.fullmatch(path) is not None:
        return "job reads" if reads else "job writes"
    if reads:
        return "reads"
    return "deletes" if method == "DELETE" else "writes"


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Throttle:
    """The buckets of one subscription."""

    def __init__(self, *, now: Callable[[], float], subscription_id: str) -> None:
        """Start with full buckets; `now` returns seconds since the epoch."""
        self._now = now
        self._subscription_id = subscription_id
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, principal: str, kind: str) -> tuple[int, int]:
        """Take one request and return (how many are left, 0), or (0, seconds until there is one) if there was none."""
        limit, now = LIMITS[kind], self._now()
        bucket = self._buckets.setdefault((principal, kind), _Bucket(limit.size, now))
        # A lab clock that is set back refills nothing and takes nothing away.
        bucket.left = min(limit.size, bucket.left + max(0.0, now - bucket.at) * limit.refill)
        bucket.at = now
        if bucket.left < 1:
            return 0, max(1, math.ceil((1 - bucket.left) / limit.refill))
        bucket.left -= 1
        return int(bucket.left), 0

    def refused(self, principal: str, kind: str, wait_seconds: int) -> str:
        """Return the message of a 429."""
        return (
            f"Number of '{kind.removesuffix('s')}' requests for subscription '{self._subscription_id}' actor "
            f"'{principal}' exceeded. "
            f"Please try again after '{wait_seconds}' seconds after additional tokens are available."
        )

    def mark(self, answer: web.StreamResponse, kind: str, left: int) -> None:
        """Say in the answer's headers how many requests are left."""
        name = "resource-requests" if kind in OWN_BUCKETS else kind
        answer.headers[f"x-ms-ratelimit-remaining-subscription-{name}"] = str(left)

    def clear(self) -> None:
        """Fill every bucket."""
        self._buckets.clear()
