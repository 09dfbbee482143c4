"""Keep the certificate authority's limits. The publisher counts its own record of its orders. Pure.

An order that would break a limit waits until it breaks none. An order that names the certificate that it replaces (RFC
9773, 5) is exempt. An order for a host that had a certificate before is exempt from the limits on new certificates and
on the account. After five failed authorizations of a host in an hour, no order for this host is sent, not even an order
that the authority would exempt.

Source: docs/azure-facts.md#certificate-authority.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any period of length `period`. name: the limited thing, in words for people."""

    name: str
    most: int
    period: timedelta


NEW_CERTIFICATES = Limit("new certificates of the domain", 50, WEEK)
SAME_NAMES = Limit("certificates of the same name", 5, WEEK)
ORDERS = Limit("new orders of the account", 300, timedelta(hours=3))
FAILURES = Limit("failed authorizations of the name", 5, timedelta(hours=1))
# An order stays open for at most a week (Let's Encrypt's order lifetime). So the authority may issue a certificate a
# week after its order. The certificate then counts for another week.
REMEMBERED = 2 * WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One order, as the limits count it. All times are aware, None if the event has not happened.

    Attributes:
        host: The name in the certificate.
        ordered_at: When the order was recorded.
        exempt: Whether the order names the certificate that it replaces.
        known: Whether the host had a certificate before.
        issued_at: When the authority issued the certificate.
        failed_at: When the authorization failed.
        given_up: Whether the order has failed and can never become a certificate.
        withdrawn: Whether the order was recorded and then not sent.
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
        """The time at which the order counts as a certificate, None if it does not count.

        An open order counts, because it may become a certificate at any moment.
        """
        if self.issued_at is not None or self.given_up or self.withdrawn:
            return self.issued_at
        return self.ordered_at


@dataclass(frozen=True, slots=True)
class Wait:
    """An order must wait until `until` (aware), because of `limit`."""

    limit: Limit
    until: datetime


def wait_for(attempts: Sequence[Attempt], order: Attempt, now: datetime) -> Wait | None:
    """Return why and until when an order must wait, None if it may be sent now.

    Args:
        attempts: All other orders of the registered domain within the time REMEMBERED.
        order: The order to send.
        now: The present time (aware).
    """
    waits = [
        Wait(limit, until)
        for limit, times in _counted(attempts, order)
        if (until := _free_at(limit, times, now)) is not None
    ]
    return max(waits, key=lambda wait: wait.until, default=None)


def _counted(attempts: Sequence[Attempt], order: Attempt) -> Iterator[tuple[Limit, Iterable[datetime]]]:
    """Yield each limit that applies to the order, and the times that count."""
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
    """Return when the limit allows one more, None if it allows one now."""
    begin = now - limit.period
    inside = sorted(each for each in times if each > begin)
    return inside[-limit.most] + limit.period if len(inside) >= limit.most else None
