"""When a lease is lost, by what the service answered and by our own clock. Pure.

The service counts a lease from the moment at which it takes the request; we count from the moment at which we began to
send it, which is earlier. So what we still count on, the service still keeps.
"""

from dataclasses import dataclass

# Azure's longest for a lease that ends by itself (learn rest/api/storageservices/lease-blob: 15 to 60 s).
LEASE_SECONDS = 60
# A renewal that fails leaves time for three more.
RENEWALS_PER_LEASE = 4
# After a renewal that failed there is less time to lose.
ATTEMPTS_PER_LEASE = 20
# The blob is gone; another lease is there, or none; the lease id is not that of the lease.
_LOST_STATUSES = frozenset({404, 409, 412})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTime:
    """How long a lease holds. seconds: of the lease. confirmed_at: monotonic time at which the newest request began
    that the service has confirmed.
    """

    seconds: float
    confirmed_at: float

    def has_lapsed(self, now: float) -> bool:
        """Return whether somebody else may have it by now."""
        return now - self.confirmed_at >= self.seconds

    def pause(self, *, failed: bool) -> float:
        """Return the seconds until the next renewal. failed: the last one was not confirmed."""
        return self.seconds / (ATTEMPTS_PER_LEASE if failed else RENEWALS_PER_LEASE)


def means_lost(status: int | None) -> bool:
    """Return whether a service that answers a holder's request with `status` says that the lease is not its own."""
    return status in _LOST_STATUSES
