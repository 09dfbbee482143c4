"""The retry decision for `requests`; sdk_retry is its twin for the SDKs."""

from typing import TYPE_CHECKING, Any

from runbook_lib.basics.clock import Clock
from runbook_lib.network.retry import Attempts, GiveUp, NetworkRetryPolicy

if TYPE_CHECKING:
    import requests


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
    """Send a request, again where the policy says so, and return the last answer, whatever its status.

    A body that is read later (stream=True) has no more time than the policy's total either.

    Parameters: repeatable, see `decide`; options, of `requests.Session.request`, a body given as bytes, text, JSON or
    form (a stream could be sent once only).
    Raises requests.RequestException where the last attempt got no answer, RequestsAnswerLost (one of them) where the
    server may have carried out what must not be repeated.
    """
    from runbook_lib.network._requests_failures import CONNECTION_FAILURES, RequestsAnswerLost, connection_failure

    attempts = Attempts(policy, method=method, repeatable=repeatable, clock=clock, url=url)
    while True:
        try:
            with attempts.within_total():
                response = session.request(method, url, timeout=attempts.next_timeouts(), **options)
        except CONNECTION_FAILURES as error:
            decision = attempts.wait_after_failure(connection_failure(error))
            if decision == GiveUp("unsafe"):
                raise RequestsAnswerLost(*error.args, request=error.request) from error
            if isinstance(decision, GiveUp):
                raise
            continue
        if not attempts.wait_after_status(response.status_code, response.headers):
            return response
        response.close()
