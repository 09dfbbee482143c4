"""ARM's throttling: one token bucket for each principal and kind of request.

Faithful: bucket sizes, refill rates, the remaining-requests headers, 429 with Retry-After (learn
request-limits-and-throttling: per subscription, principal and operation type; reads 250 refilled at 25/s, writes and
deletes 200 at 10/s). Left out: the tenant's buckets, the sum over all principals, a resource provider's own limits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

READ_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size in requests and its refill in requests per second."""

    size: float
    refill: float


LIMITS = {"reads": Limit(250, 25), "writes": Limit(200, 10), "deletes": Limit(200, 10)}


def kind_of(method: str) -> str:
    """Return which bucket a request is taken from."""
    if method in READ_METHODS:
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

    def take(self, principal: str, method: str) -> tuple[int, int]:
        """Take one request and return (how many are left, 0), or (0, seconds until there is one) if there was none."""
        kind = kind_of(method)
        limit, now = LIMITS[kind], self._now()
        bucket = self._buckets.setdefault((principal, kind), _Bucket(limit.size, now))
        # A lab clock that is set back refills nothing and takes nothing away.
        bucket.left = min(limit.size, bucket.left + max(0.0, now - bucket.at) * limit.refill)
        bucket.at = now
        if bucket.left < 1:
            return 0, max(1, math.ceil((1 - bucket.left) / limit.refill))
        bucket.left -= 1
        return int(bucket.left), 0

    def refused(self, principal: str, method: str, wait_seconds: int) -> str:
        """Return the message of a 429."""
        kind = kind_of(method).removesuffix("s")
        return (
            f"Number of '{kind}' requests for subscription '{self._subscription_id}' actor '{principal}' exceeded. "
            f"Please try again after '{wait_seconds}' seconds after additional tokens are available."
        )

    def mark(self, answer: web.StreamResponse, method: str, left: int) -> None:
        """Say in the answer's headers how many requests are left."""
        answer.headers[f"x-ms-ratelimit-remaining-subscription-{kind_of(method)}"] = str(left)

    def clear(self) -> None:
        """Fill every bucket."""
        self._buckets.clear()
