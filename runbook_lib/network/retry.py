"""Decide whether a request is sent again, for the SDKs' pipelines and for `requests`.

The numbers are the component registry's `networkRetryPolicies` (docs/design.md#the-component-registry): 3 retries, 2 s
apart.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from runbook_lib.basics.clock import Clock
from runbook_lib.network.deadline import within

# Time for one attempt: to connect, and between two reads of an answer.
NETWORK_CONNECT_SECONDS = 10.0
NETWORK_READ_SECONDS = 60.0
# All attempts of one request together. ARM's longest wait for its token bucket (docs/azure-facts.md#arm-throttling)
# fits several times.
TOTAL_SECONDS = 180.0
# A large body gets further time at this rate: 400 s for 100 MiB.
SLOWEST_BYTES_PER_SECOND = 256 * 1024
# A policy beyond these would hold a job for hours, or not pause at all.
MAX_RETRIES = 10
MAX_DELAY_SECONDS = 60.0
# The last attempt gets at least this time: a timeout of 0 would mean no timeout to the socket.
_LEAST_SECONDS = 1.0

# "no_such_name": there is no such host; the resolver has tried again itself (resolv.conf(5), attempts).
# "not_sent": the server cannot have seen the request. "ambiguous": the answer was lost, and the server may have carried
# the request out.
ConnectionFailure = Literal["no_such_name", "not_sent", "ambiguous"]

_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


def _tell_nobody(_line: str) -> None:
    """Drop the line."""


@dataclass(frozen=True, slots=True)
class NetworkRetryPolicy:
    """How often a request is sent again, and the seconds between two attempts.

    `total_seconds` limits all attempts together, to the last byte of the last answer.
    """

    max_retries: int = 3
    delay_seconds: float = 2.0
    total_seconds: float = TOTAL_SECONDS
    # Gets a line before a request is sent again because nothing answered: a person may be waiting.
    tell: Callable[[str], object] = field(default=_tell_nobody, compare=False, repr=False)


def for_large_body(policy: NetworkRetryPolicy, max_bytes: int) -> NetworkRetryPolicy:
    """Return the policy with more time for a request or an answer of up to `max_bytes`."""
    return replace(policy, total_seconds=policy.total_seconds + max_bytes / SLOWEST_BYTES_PER_SECOND)


PolicySource = Callable[[], NetworkRetryPolicy]


@dataclass(frozen=True, slots=True)
class Wait:
    """Send the request again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send the request again.

    Attributes:
        reason: One of four. final: the failure is not a passing one. unsafe: the server may have carried out a request
            that must not be repeated, so the caller must look first. spent: no retry is left. deadline: the wait would
            end after the total time.
    """

    reason: Literal["final", "unsafe", "spent", "deadline"]


class AnswerLost(Exception):  # noqa: N818 - the name says what happened; the request may have succeeded
    """A request that must not be repeated was sent, and no answer came: look whether it was carried out.

    Each transport has a subclass that is also an exception of its own (RequestsAnswerLost, SdkAnswerLost).
    """


def leave_open(answer: Any) -> None:
    """Mark a transport's answer: it does not say whether the write was carried out, so nobody has sent it again."""
    answer.left_open = True


def may_have_been_carried_out(failure: BaseException) -> bool:
    """Return whether the server may have carried out a write in spite of this failure, or of one that caused it.

    There was no answer, or an answer such as 503 that does not say it. The caller must look before it writes again.
    """
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, AnswerLost) or getattr(getattr(cause, "response", None), "left_open", False):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def decide(
    policy: NetworkRetryPolicy,
    *,
    attempt: int,
    method: str,
    elapsed: float,
    repeatable: bool | None = None,
    status: int | None = None,
    retry_after: float | None = None,
    connection_failure: ConnectionFailure | None = None,
) -> Wait | GiveUp:
    """Return what to do after an attempt that ended with `status`, or with `connection_failure` and no status.

    `attempt` is 1 for the first, and `elapsed` is the time in seconds since it began. `repeatable` says whether a
    second time does no harm; None leaves this to the method. `retry_after` is the time in seconds that the server asks
    for.

    1. Only a passing failure is retried: a broken connection, or status 408, 429, 500, 502, 503, 504. A name that does
       not resolve is not a passing failure.
    2. A request that must not be repeated (POST, PATCH, a PUT that makes a new version each time) is sent again only if
       the server cannot have carried it out: it was not sent, or it was refused with 429, or with 503 and a
       Retry-After. Otherwise the caller must look first.
    3. There are at most `max_retries` retries, `delay_seconds` apart, or after a longer Retry-After. There is no
       jitter: a customer can read the distances in the policy. One process has at most http.CONNECTIONS_PER_HOST
       requests in flight, and each server's own bucket serves them at once or spreads them by its Retry-After.
    4. No wait begins that would end after `total_seconds`.
    """
    if connection_failure == "no_such_name" or (connection_failure is None and status not in _PASSING_STATUSES):
        return GiveUp("final")
    refused = status == 429 or (status == 503 and retry_after is not None)
    not_carried_out = refused or connection_failure == "not_sent"
    if not (_is_repeatable(method, repeatable) or not_carried_out):
        return GiveUp("unsafe")
    if attempt > policy.max_retries:
        return GiveUp("spent")
    seconds = max(policy.delay_seconds, retry_after or 0.0)
    return Wait(seconds) if elapsed + seconds <= policy.total_seconds else GiveUp("deadline")


def _is_repeatable(method: str, repeatable: bool | None) -> bool:
    return method.upper() in _IDEMPOTENT_METHODS if repeatable is None else repeatable


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds a server asks to wait, None if it does not say so in a readable form.

    `headers` are the answer's, with case-insensitive names. `now` is aware. `Retry-After` has seconds or a date
    (RFC 9110, 10.2.3). Azure's services also use `retry-after-ms` and `x-ms-retry-after-ms`, in milliseconds
    (azure.core.pipeline.policies._utils.get_retry_after).
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
    except (ValueError, TypeError, OverflowError):  # TypeError: Python 3.10 raises it for a text that is not a date
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


class Attempts:
    """The attempts of one request: how long the next one may take, and the waits between them."""

    def __init__(
        self, policy: NetworkRetryPolicy, *, method: str, repeatable: bool | None, clock: Clock, url: str = ""
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
        """Whether a second request does no harm."""
        return _is_repeatable(self._method, self._repeatable)

    def next_timeouts(self) -> tuple[float, float]:
        """Count an attempt. Return its connect and read timeouts in seconds, within the total time that is left."""
        self._made += 1
        left = self._left()
        return min(NETWORK_CONNECT_SECONDS, left), min(NETWORK_READ_SECONDS, left)

    def within_total(self) -> AbstractContextManager[None]:
        """Return a block for the attempt that limits all its sending and reading to the total time that is left."""
        return within(self._left())

    def wait_after_status(self, status: int, headers: Mapping[str, str]) -> Wait | GiveUp:
        """Wait if an answer calls for another attempt. Return the decision."""
        return self._wait(status=status, retry_after=retry_after_seconds(headers, self._clock.now()))

    def wait_after_failure(self, failure: ConnectionFailure) -> Wait | GiveUp:
        """Wait if a connection failure calls for another attempt. Return the decision."""
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
