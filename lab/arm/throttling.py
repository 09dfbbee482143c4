"""ARM's throttling: one token bucket for each principal and kind of request.

Faithful: bucket sizes, refill rates, the remaining-requests headers, 429 with Retry-After (learn
request-limits-and-throttling: per subscription, principal and operation type; reads 250 refilled at 25/s, writes and
deletes 200 at 10/s). Jobs of Automation have buckets of their own, 600 reads and 2,000 writes (recorded answers of
2021). Not documented, so chosen here: the jobs' buckets are full again after a minute. Left out: the tenant's buckets,
the sum over all principals, and the limits of other resource providers.
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
    """Return the bucket that counts a request."""
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
        """Count one request; return (requests left, 0), or if none was left (0, seconds until the next is allowed)."""
        limit, now = LIMITS[kind], self._now()
        bucket = self._buckets.setdefault((principal, kind), _Bucket(limit.size, now))
        # When the lab's clock is set back, the buckets stay as they are.
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
