"""When a request is sent again: one decision for the SDKs' pipelines and for `requests` alike.

The numbers are the component registry's `networkRetryPolicies` (docs/design.md#the-component-registry): 3 retries, 2 s
apart.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

from runbook_lib.basics.clock import Clock
from runbook_lib.network.deadline import within

# Time for one attempt: to be connected, and between two reads of an answer.
NETWORK_CONNECT_SECONDS = 10.0
NETWORK_READ_SECONDS = 60.0
# All attempts of one request together; ARM's longest token-bucket wait (docs/azure-facts.md#arm-throttling) fits
# several times.
TOTAL_SECONDS = 180.0
# A large body has more time than that, as much as it takes at this pace: 400 s for 100 MiB.
SLOWEST_BYTES_PER_SECOND = 256 * 1024
# A policy beyond these would hold a job for hours, or not pause at all.
MAX_RETRIES = 10
MAX_DELAY_SECONDS = 60.0
# What is left of the total for a last attempt is never less: a timeout of 0 would mean none to the socket.
_LEAST_SECONDS = 1.0

# "no_such_name": there is nobody to send it to; the resolver has tried again itself (resolv.conf(5), attempts).
# "not_sent": the server cannot have seen the request. "ambiguous": it may have carried it out, the answer was lost.
ConnectionFailure = Literal["no_such_name", "not_sent", "ambiguous"]

_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


def _tell_nobody(_line: str) -> None:
    """Nobody is waiting."""


@dataclass(frozen=True, slots=True)
class NetworkRetryPolicy:
    """How often and how far apart (seconds) a request is sent again.

    total_seconds: for all of its attempts together, to the last byte of the last answer.
    """

    max_retries: int = 3
    delay_seconds: float = 2.0
    total_seconds: float = TOTAL_SECONDS
    # Told a line when a request is about to be sent again because nothing answered: a person may be waiting.
    tell: Callable[[str], object] = field(default=_tell_nobody, compare=False, repr=False)


def for_large_body(policy: NetworkRetryPolicy, max_bytes: int) -> NetworkRetryPolicy:
    """Return the policy for a request that sends or brings up to `max_bytes`: it has the time for them, too."""
    return replace(policy, total_seconds=policy.total_seconds + max_bytes / SLOWEST_BYTES_PER_SECOND)


PolicySource = Callable[[], NetworkRetryPolicy]


@dataclass(frozen=True, slots=True)
class Wait:
    """Send the request again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Send the request no more.

    final: the answer is no passing failure. unsafe: the server may have carried out what must not be repeated, so
    somebody has to look first. spent: no retry is left. deadline: the wait would end after the total time.
    """

    reason: Literal["final", "unsafe", "spent", "deadline"]


class AnswerLost(Exception):  # noqa: N818 - what happened, and maybe no error at all
    """What must not be repeated was sent, and no answer came: look whether it was carried out.

    Each transport's form of it is also that transport's own exception (RequestsAnswerLost, SdkAnswerLost).
    """


def decide(
    policy: NetworkRetryPolicy,
    *,
    attempt: int,
    method: str,
    elapsed: float,
    repeatable: bool = False,
    status: int | None = None,
    retry_after: float | None = None,
    connection_failure: ConnectionFailure | None = None,
) -> Wait | GiveUp:
    """Return what to do after an attempt that ended with `status`, or with `connection_failure` and no status.

    Parameters: attempt, 1 for the first; elapsed, seconds since the first began; repeatable, whether the caller knows
    that a second time does no harm, whatever the method; retry_after, seconds that the server asks for.

    1. Only a passing failure is retried: a broken connection, or status 408, 429, 500, 502, 503, 504. A name that does
       not resolve is none.
    2. What must not be repeated (POST, PATCH) is sent again only if the server cannot have carried it out: it was not
       sent, or it was refused with 429, or with 503 and a Retry-After. Else somebody has to look first.
    3. At most `max_retries` times, `delay_seconds` apart, a longer Retry-After honoured. There is no jitter: a
       customer can read the distances off his policy, and the herd is bounded: one process with at most
       http.CONNECTIONS_PER_HOST requests in flight, whom every server's own bucket serves at once or spreads by its
       Retry-After.
    4. Never past `total_seconds`: where the wait would end later, it does not begin.
    """
    if connection_failure == "no_such_name" or (connection_failure is None and status not in _PASSING_STATUSES):
        return GiveUp("final")
    refused = status == 429 or (status == 503 and retry_after is not None)
    not_carried_out = refused or connection_failure == "not_sent"
    if not (repeatable or method.upper() in _IDEMPOTENT_METHODS or not_carried_out):
        return GiveUp("unsafe")
    if attempt > policy.max_retries:
        return GiveUp("spent")
    seconds = max(policy.delay_seconds, retry_after or 0.0)
    return Wait(seconds) if elapsed + seconds <= policy.total_seconds else GiveUp("deadline")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long a server asks to wait; None if it does not say, or not readably.

    Parameters: headers, the answer's, under case-insensitive names; now, aware.
    `Retry-After` is RFC 9110, 10.2.3, in seconds or as a date. Azure's services also use `retry-after-ms` and
    `x-ms-retry-after-ms`, in milliseconds (azure.core.pipeline.policies._utils.get_retry_after).
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = headers.get(name, "").strip()
        if milliseconds.isascii() and milliseconds.isdigit():
            return float(milliseconds) / 1000
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # TypeError: Python 3.10 for a text that is no date at all
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


class Attempts:
    """The attempts of one request: how long the next may take, and the wait between two."""

    def __init__(
        self, policy: NetworkRetryPolicy, *, method: str, repeatable: bool, clock: Clock, url: str = ""
    ) -> None:
        self._policy = policy
        self._host = urlsplit(url).netloc
        self._method = method
        self._repeatable = repeatable
        self._clock = clock
        self._started = clock.monotonic()
        self._made = 0

    @property
    def repeatable(self) -> bool:
        """Whether a second time does no harm."""
        return self._repeatable or self._method.upper() in _IDEMPOTENT_METHODS

    def next_timeouts(self) -> tuple[float, float]:
        """Count an attempt, and return its connect and read timeouts in seconds: what the total time leaves."""
        self._made += 1
        left = self._left()
        return min(NETWORK_CONNECT_SECONDS, left), min(NETWORK_READ_SECONDS, left)

    def within_total(self) -> AbstractContextManager[None]:
        """Return a block for the attempt: what it sends and reads has what the total time leaves, however it drips."""
        return within(self._left())

    def wait_after_status(self, status: int, headers: Mapping[str, str]) -> bool:
        """Wait, where an answer calls for another attempt. Return whether it does."""
        retry_after = retry_after_seconds(headers, self._clock.now())
        return isinstance(self._wait(status=status, retry_after=retry_after), Wait)

    def wait_after_failure(self, failure: ConnectionFailure) -> Wait | GiveUp:
        """Wait, where a connection failure calls for another attempt. Return the decision."""
        return self._wait(connection_failure=failure)

    def _left(self) -> float:
        return max(_LEAST_SECONDS, self._policy.total_seconds - self._elapsed())

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    def _wait(
        self,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        connection_failure: ConnectionFailure | None = None,
    ) -> Wait | GiveUp:
        decision = decide(
            self._policy,
            attempt=self._made,
            method=self._method,
            elapsed=self._elapsed(),
            repeatable=self._repeatable,
            status=status,
            retry_after=retry_after,
            connection_failure=connection_failure,
        )
        if isinstance(decision, Wait):
            if connection_failure is not None:
                again = f"trying again in {decision.seconds:g} s ({self._made} of {self._policy.max_retries})"
                self._policy.tell(f"{self._host} does not answer; {again}")
            self._clock.sleep(decision.seconds)
        return decision
