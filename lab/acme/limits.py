"""The rate limits of Let's Encrypt, which it checks before it accepts an order. Pure; the clock is given.

Faithful: 50 new certificates of a registered domain in 7 days, 5 of exactly the same names in 7 days, 300 orders of an
account in 3 hours, 5 failed authorizations of a name in an hour. An order that names the certificate that it replaces
(RFC 9773) is exempt from all limits. Any other order with the same names as an earlier certificate is exempt from the
first and the third limit. Left out: limits of addresses and of new accounts, pauses of names after many failures,
overrides. The registered domain of a name is its last two labels here.

Source: letsencrypt.org docs/rate-limits (2026-08-05).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

HOUR_SECONDS, WEEK_SECONDS = 3_600.0, 7 * 86_400.0
ORDERS, ORDER_SECONDS = 300, 3 * HOUR_SECONDS
DOMAIN_CERTIFICATES = 50
SAME_NAMES = 5
FAILURES = 5

Names = frozenset[str]


class LimitedError(Exception):
    """A limit is reached. The text says which; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        """Keep the parts."""
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Order:
    """An order. account: the account's address. renews: it names the certificate that it replaces."""

    account: str
    names: Names
    renews: bool


@dataclass(slots=True)
class Limits:
    """The counts so far: times in seconds since the epoch."""

    orders: dict[str, list[float]] = field(default_factory=dict)
    domains: dict[str, list[float]] = field(default_factory=dict)
    same_names: dict[Names, list[float]] = field(default_factory=dict)
    failures: dict[str, list[float]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything."""
        for counted in (self.orders, self.domains, self.same_names, self.failures):
            counted.clear()

    def check(self, order: Order, *, now: float) -> None:
        """Raise LimitedError if a limit refuses the order."""
        if order.renews:
            return
        for name in sorted(order.names):
            failures = f"too many failed authorizations ({FAILURES}) for '{name}' in the last 1h0m0s"
            _check(self.failures.get(name, ()), FAILURES, HOUR_SECONDS, now, failures)
        issued = "already issued for {0} in the last 168h0m0s"
        same = issued.format(f"this exact set of identifiers ({', '.join(sorted(order.names))})")
        earlier = self.same_names.get(order.names)
        _check(earlier or (), SAME_NAMES, WEEK_SECONDS, now, f"too many certificates ({SAME_NAMES}) {same}")
        if earlier is not None:
            return
        orders = f"too many new orders ({ORDERS}) from this account in the last 3h0m0s"
        _check(self.orders.get(order.account, ()), ORDERS, ORDER_SECONDS, now, orders)
        for domain in registered_domains(order.names):
            domains = f"too many certificates ({DOMAIN_CERTIFICATES}) {issued.format(repr(domain))}"
            _check(self.domains.get(domain, ()), DOMAIN_CERTIFICATES, WEEK_SECONDS, now, domains)

    def ordered(self, order: Order, *, now: float) -> None:
        """Count an order that was taken."""
        if not order.renews and order.names not in self.same_names:
            self.orders.setdefault(order.account, []).append(now)

    def issued(self, order: Order, *, now: float) -> None:
        """Count the certificate of an order."""
        known = order.names in self.same_names
        if order.renews:
            self.same_names.setdefault(order.names, [])
            return
        self.same_names.setdefault(order.names, []).append(now)
        if not known:
            for domain in registered_domains(order.names):
                self.domains.setdefault(domain, []).append(now)

    def failed(self, name: str, *, now: float) -> None:
        """Count a failed authorization of a name."""
        self.failures.setdefault(name, []).append(now)


def registered_domains(names: Collection[str]) -> list[str]:
    """Return the registered domains of names, each once, sorted."""
    return sorted({".".join(name.split(".")[-2:]) for name in names})


def _check(times: Iterable[float], limit: int, seconds: float, now: float, message: str) -> None:
    recent = sorted(time for time in times if time > now - seconds)
    if len(recent) >= limit:
        raise LimitedError(message, recent[-limit] + seconds - now)
