"""Ask the zone's own name servers. They have a change of Azure DNS within about 60 seconds.

The servers are asked directly, so that no resolver in between answers from its cache. Only an authoritative answer
counts. If a resolver intercepts the question, its answer is not authoritative (RFC 1035, 4.1.1, AA).
Source: learn dns/dns-faq, "How long does it take for DNS changes to take effect?".
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from publisher.dns_zone.record_sets import RecordType
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.errors import publisher

if TYPE_CHECKING:
    import dns.message

# Twice the time that Azure names.
SERVED_SECONDS = 120.0
# A question or its answer may be lost, because UDP repeats nothing. So a question is sent up to ASKS times, and each
# time the answer has ASK_SECONDS to arrive. Resolvers do the same (resolv.conf(5), timeout and attempts). If an answer
# is too long for UDP, the question by TCP has ASK_SECONDS, too.
ASK_SECONDS = 2.0
ASKS = 3
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 1.0, 10.0
PORT = 53
# A zone of Azure has four.
MAX_SERVERS = 16

Resolve = Callable[[str], str]


class NoAnswerError(Exception):
    """A name server gave no answer that counts. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The result of asking all name servers once.

    Attributes:
        asked: The number of servers that were asked.
        missing: A text for each server that does not serve the value: its name and the reason.
    """

    asked: int
    missing: tuple[str, ...]

    @property
    def served(self) -> bool:
        """Whether all of the zone's name servers serve the value."""
        return self.asked > 0 and not self.missing


def resolve_host(host: str) -> str:
    """Return an IPv4 address of a name server's host. Raises NoAnswerError."""
    import dns.exception
    import dns.resolver

    try:
        found = dns.resolver.resolve(host, "A", lifetime=ASKS * ASK_SECONDS)
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswerError(f"its address cannot be found: {type(error).__name__}") from error
    return str(next(iter(found)))


def look(servers: Sequence[str], host: str, kind: RecordType, value: str, *, resolve: Resolve = resolve_host) -> Look:
    """Ask each name server once whether it serves a value.

    Args:
        servers: Hosts or IPv4 addresses. A port other than 53 stands after a colon.
        host: The full name without a final dot.
        kind: The type of the record.
        value: The value, as in RecordSet.values.
        resolve: Returns an IPv4 address of a server's host.
    """
    missing = []
    for server in servers[:MAX_SERVERS]:
        try:
            if value not in values_at(server, host, kind, resolve=resolve):
                missing.append(f"{server}: it serves another value, or none")
        except NoAnswerError as error:
            missing.append(f"{server}: {error}")
    return Look(asked=min(len(servers), MAX_SERVERS), missing=tuple(missing))


def wait_until_served(
    servers: Sequence[str],
    host: str,
    kind: RecordType,
    value: str,
    *,
    clock: Clock,
    seconds: float = SERVED_SECONDS,
    resolve: Resolve = resolve_host,
) -> None:
    """Wait until all name servers serve a value. `look` explains the other parameters.

    Args:
        clock: Gives the time, and waits.
        seconds: After this time no further look begins.

    Raises:
        RunbookError: VD-DNS-005 if a server does not serve the value in this time.
    """
    started = clock.monotonic()
    while True:
        seen = look(servers, host, kind, value, resolve=resolve)
        if seen.served:
            return
        waited = clock.monotonic() - started
        pause = pause_between_looks(waited, least=LEAST_PAUSE_SECONDS, most=MOST_PAUSE_SECONDS)
        if waited + pause > seconds:
            detail = "; ".join(seen.missing) or "the zone has no name servers"
            raise publisher.RECORD_NOT_SERVED.error(f"after {waited:.0f} s: {detail}", target=f"{kind} {host}")
        clock.sleep(pause)


def values_at(server: str, host: str, kind: RecordType, *, resolve: Resolve = resolve_host) -> frozenset[str]:
    """Return the values of one type that one name server has at a name.

    Raises:
        NoAnswerError: The server gives no answer that counts.
    """
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode

    name, _, port = server.partition(":")
    address = name if _is_ipv4(name) else resolve(name)
    question = dns.message.make_query(f"{host}.", kind, use_edns=0)
    question.flags &= ~dns.flags.RD
    try:
        answer = _answer(question, address, int(port or PORT))
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise NoAnswerError(f"no answer: {type(error).__name__}") from error
    if answer is None:
        raise NoAnswerError(f"no answer within {ASK_SECONDS:g} s, asked {ASKS} times")
    if not answer.flags & dns.flags.AA:
        raise NoAnswerError("its answer is not authoritative")
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise NoAnswerError(f"it answers {dns.rcode.to_text(answer.rcode())}")
    return _values(answer, kind)


def _answer(question: "dns.message.Message", address: str, port: int) -> "dns.message.Message | None":
    """Send a question until there is an answer. Return None if there is none."""
    import dns.exception
    import dns.query

    for _ in range(ASKS):
        try:
            answer, _by_tcp = dns.query.udp_with_fallback(
                question, address, timeout=ASK_SECONDS, port=port, ignore_unexpected=True, ignore_errors=True
            )
        except dns.exception.Timeout:
            continue
        return answer
    return None


def _values(answer: "dns.message.Message", kind: RecordType) -> frozenset[str]:
    import dns.rdataclass
    import dns.rdatatype

    wanted = dns.rdatatype.from_text(kind)
    found = answer.get_rrset(answer.answer, answer.question[0].name, dns.rdataclass.IN, wanted)
    if found is None:
        return frozenset()
    if kind == "TXT":
        return frozenset(b"".join(record.strings).decode("latin-1") for record in found)
    return frozenset(record.to_text() for record in found)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
