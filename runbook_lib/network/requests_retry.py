"""The retry decision for `requests`. sdk_retry does the same for the SDKs."""

from typing import TYPE_CHECKING, Any

from runbook_lib.basics.clock import Clock
from runbook_lib.network.retry import Attempts, GiveUp, NetworkRetryPolicy, leave_open

if TYPE_CHECKING:
    import requests


def send(
    session: "requests.Session",
    method: str,
    url: str,
    *,
    policy: NetworkRetryPolicy,
    clock: Clock,
    repeatable: bool | None = None,
    repeat_answered: bool = True,
    **options: Any,
) -> "requests.Response":
    """Send a request, as often as the policy allows, and return the last answer, whatever its status.

    The policy's total time also limits a body that is read later (stream=True). `decide` explains `repeatable`.
    `repeat_answered` is False if a request is sent again only without an answer: the server takes the same bytes once.
    `options` are those of `requests.Session.request`. The body must be bytes, text, JSON or a form: a stream could be
    sent only once.

    Raises:
        requests.RequestException: The last attempt got no answer.
        RequestsAnswerLost: A subclass of it: the server may have carried out a request that must not be repeated.
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
        if not repeat_answered:
            return response
        after = attempts.wait_after_status(response.status_code, response.headers)
        if isinstance(after, GiveUp):
            if after == GiveUp("unsafe"):
                leave_open(response)
            return response
        response.close()
