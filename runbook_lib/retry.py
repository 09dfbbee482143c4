"""When a request is sent again: one decision for the SDKs' pipelines and for `requests` alike.

The numbers are the component registry's `networkRetryPolicies` (design section 7, NFR-8): 3 retries, 2 s apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.clock import Clock

if TYPE_CHECKING:
    import requests

# Time for one attempt: to be connected, and between two reads of an answer.
NETWORK_CONNECT_SECONDS = 10.0
NETWORK_READ_SECONDS = 60.0
# All attempts of one request together; ARM's longest token-bucket wait (azure-facts, section 11) fits several times.
TOTAL_SECONDS = 180.0

# "not_sent": the server cannot have seen the request. "ambiguous": it may have carried it out, the answer was lost.
ConnectionFailure = Literal["not_sent", "ambiguous"]

_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 section 9.2.2
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class NetworkRetryPolicy:
    """How often and how far apart (seconds) a request is sent again."""

    max_retries: int = 3
    delay_seconds: float = 2.0
    total_seconds: float = TOTAL_SECONDS


PolicySource = Callable[[], NetworkRetryPolicy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt came to: a status with its Retry-After (seconds), or a connection failure.

    number: 1 for the first. elapsed: seconds since the first began. repeatable: the caller knows that a second time
    does no harm, whatever the method.
    """

    number: int
    method: str
    elapsed: float
    status: int | None = None
    retry_after: float | None = None
    failure: ConnectionFailure | None = None
    repeatable: bool = False


def seconds_to_wait(policy: NetworkRetryPolicy, attempt: Attempt) -> float | None:
    """Return how long to wait before the request is sent again; None where it is not to be sent again.

    1. Only a passing failure is retried: a broken connection, or status 408, 429, 500, 502, 503, 504.
    2. What must not be repeated (POST, PATCH) is sent again only if the server cannot have carried it out: it was not
       sent, or it was refused with 429, or with 503 and a Retry-After. Else somebody has to look first.
    3. At most `max_retries` times, `delay_seconds` apart. There is no jitter: the contract names the distance, and
       writers are spread by the server's own Retry-After.
    4. A server's Retry-After is honoured where it is longer.
    5. Never past `total_seconds`: a wait that would end later gives up at once.
    """
    if attempt.failure is None and attempt.status not in _PASSING_STATUSES:
        return None
    if not (attempt.repeatable or attempt.method.upper() in _IDEMPOTENT_METHODS or _not_carried_out(attempt)):
        return None
    if attempt.number > policy.max_retries:
        return None
    wait = max(policy.delay_seconds, attempt.retry_after or 0.0)
    return wait if attempt.elapsed + wait <= policy.total_seconds else None


def _not_carried_out(attempt: Attempt) -> bool:
    refused = attempt.status == 429 or (attempt.status == 503 and attempt.retry_after is not None)
    return attempt.failure == "not_sent" or refused


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return a Retry-After header (RFC 9110 section 10.2.3) in seconds from `now`; None where absent or unreadable."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header.strip())
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


def send(
    session: "requests.Session",
    method: str,
    url: str,
    *,
    policy: NetworkRetryPolicy,
    clock: Clock,
    repeatable: bool = False,
    **options: Any,
) -> "requests.Response":
    """Send a request through `session`, again where the policy says so, and return the last answer of any status.

    Raises requests.RequestException where the last attempt got no answer.
    """
    import requests

    started = clock.monotonic()
    number = 0
    while True:
        number += 1
        response: requests.Response | None = None
        failure: requests.RequestException | None = None
        try:
            response = session.request(method, url, timeout=(NETWORK_CONNECT_SECONDS, NETWORK_READ_SECONDS), **options)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            failure = error
        wait = seconds_to_wait(
            policy,
            Attempt(
                number=number,
                method=method,
                elapsed=clock.monotonic() - started,
                status=None if response is None else response.status_code,
                retry_after=None
                if response is None
                else retry_after_seconds(response.headers.get("Retry-After"), clock.now()),
                failure=None if failure is None else _kind_of(failure),
                repeatable=repeatable,
            ),
        )
        if wait is None:
            if response is None:
                assert failure is not None  # noqa: S101 - one of the two is there
                raise failure
            return response
        if response is not None:
            response.close()
        clock.sleep(wait)


def _kind_of(error: "requests.RequestException") -> ConnectionFailure:
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError)):
        return "not_sent"
    reason = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError):
        return "not_sent"
    return "ambiguous"
