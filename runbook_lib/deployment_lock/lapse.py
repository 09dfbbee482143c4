"""Decide when a lease is lost, from the service's answers and from our own clock. Pure.

The service measures a lease from the moment when it gets the request. We measure from the moment when we began to send
the request, which is earlier. So as long as we count on a lease, the service keeps it.
"""

from dataclasses import dataclass

# The longest time that Azure allows for a lease that ends by itself (learn rest/api/storageservices/lease-blob: 15 to
# 60 s).
LEASE_SECONDS = 60
# If one renewal fails, there is time for three more.
RENEWALS_PER_LEASE = 4
# After a failed renewal less time is left, so the attempts come closer together.
ATTEMPTS_PER_LEASE = 20
# The statuses mean: the blob is gone; there is another lease or none; the lease has another id.
_LOST_STATUSES = frozenset({404, 409, 412})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTime:
    """The time of a lease.

    Attributes:
        seconds: How long the lease lasts.
        confirmed_at: When the newest confirmed request began, in monotonic seconds.
    """

    seconds: float
    confirmed_at: float

    def has_lapsed(self, now: float) -> bool:
        """Return whether somebody else may have the lease by now."""
        return now - self.confirmed_at >= self.seconds

    def pause(self, *, failed: bool) -> float:
        """Return the seconds until the next renewal. `failed` says that the last renewal was not confirmed."""
        return self.seconds / (ATTEMPTS_PER_LEASE if failed else RENEWALS_PER_LEASE)


def means_lost(status: int | None) -> bool:
    """Return whether `status`, the answer to a holder's request, means that the lease is not ours."""
    return status in _LOST_STATUSES
