"""The certificate authority's limits, kept by the publisher itself: from its own record of its orders. Pure.

An order that would break a limit waits until the time at which it breaks none. An order that names the certificate
which it replaces (RFC 9773, 5) is exempt. An order of a host that had a certificate before is exempt from the limits of
new certificates and of the account. No order of a host is sent after five failed authorizations in an hour: not even
one that the authority would exempt.

Source: docs/azure-facts.md#certificate-authority.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any period of length `period`. name: what is limited, for people."""

    name: str
    most: int
    period: timedelta


NEW_CERTIFICATES = Limit("new certificates of the domain", 50, WEEK)
SAME_NAMES = Limit("certificates of the same name", 5, WEEK)
ORDERS = Limit("new orders of the account", 300, timedelta(hours=3))
FAILURES = Limit("failed authorizations of the name", 5, timedelta(hours=1))
# An order stays open for a week at most (Let's Encrypt's order lifetime). So a certificate may be issued a week after
# its order, and it counts for another week.
REMEMBERED = 2 * WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One order, as it counts. Times are aware, None for not.

    exempt: it names the certificate that it replaces. known: its host had a certificate before. given_up: it never
    became a certificate and never will. withdrawn: it was never sent.
    """

    host: str
    ordered_at: datetime
    exempt: bool = False
    known: bool = False
    issued_at: datetime | None = None
    failed_at: datetime | None = None
    given_up: bool = False
    withdrawn: bool = False

    @property
    def certificate_at(self) -> datetime | None:
        """When it counts as a certificate. An open order may become one at any moment."""
        if self.issued_at is not None or self.given_up or self.withdrawn:
            return self.issued_at
        return self.ordered_at


@dataclass(frozen=True, slots=True)
class Wait:
    """An order has to wait until `until` (aware), because of `limit`."""

    limit: Limit
    until: datetime


def wait_for(attempts: Sequence[Attempt], order: Attempt, now: datetime) -> Wait | None:
    """Return why and until when an order waits, None if it may be sent now.

    attempts: all others of the registered domain in the time REMEMBERED. order: the one to send.
    """
    waits = [
        Wait(limit, until)
        for limit, times in _counted(attempts, order)
        if (until := _free_at(limit, times, now)) is not None
    ]
    return max(waits, key=lambda wait: wait.until, default=None)


def _counted(attempts: Sequence[Attempt], order: Attempt) -> Iterator[tuple[Limit, Iterable[datetime]]]:
    """Yield each limit that holds for the order, and the times that count."""
    counting = [each for each in attempts if not each.exempt]
    same = [each for each in attempts if each.host == order.host]
    yield FAILURES, [each.failed_at for each in same if each.failed_at]
    if order.exempt:
        return
    yield SAME_NAMES, [each.certificate_at for each in counting if each.host == order.host and each.certificate_at]
    if order.known:
        return
    new = [each for each in counting if not each.known]
    yield ORDERS, [each.ordered_at for each in new if not each.withdrawn]
    yield NEW_CERTIFICATES, [each.certificate_at for each in new if each.certificate_at]


def _free_at(limit: Limit, times: Iterable[datetime], now: datetime) -> datetime | None:
    """Return when one more fits, None if it does now."""
    begin = now - limit.period
    inside = sorted(each for each in times if each > begin)
    return inside[-limit.most] + limit.period if len(inside) >= limit.most else None
