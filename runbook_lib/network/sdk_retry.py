"""The network retry policy in the Azure SDKs' pipelines, in place of their own."""

import json
import socket
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy
from azure.core.pipeline.transport import HttpTransport

from runbook_lib.basics.clock import Clock
from runbook_lib.network._requests_failures import connection_failure
from runbook_lib.network.http import MAX_CONTENT_BYTES, TooLarge
from runbook_lib.network.retry import AnswerLost, Attempts, ConnectionFailure, GiveUp, PolicySource, leave_open
from runbook_lib.network.trouble import Place, mark, os_cause

# The SDKs' own retry policies take these options out of a request, so that they do not reach the transport
# (azure.core RetryPolicy, azure.storage.blob StorageRetryPolicy, at the locked versions).
_RETRY_OPTIONS = (
    "retry_total",
    "retry_connect",
    "retry_read",
    "retry_status",
    "retry_backoff_factor",
    "retry_backoff_max",
    "retry_mode",
    "retry_on_methods",
    "retry_to_secondary",
    "retry_hook",
    "hosts",
    "timeout",
)

# An answer with fewer brackets cannot be too deep for Python's reader (1,000 calls).
_HARMLESS_BRACKETS = 200
# For these statuses the clients choose their exception by the status alone (azure.core.exceptions.map_error).
_MAPPED_STATUSES = frozenset({401, 404, 409})

R = TypeVar("R")


class SdkAnswerLost(ServiceResponseError, AnswerLost):  # noqa: N818 - see AnswerLost
    """AnswerLost as an exception of the Azure SDKs."""


class SdkRetryPolicy(HTTPPolicy[Any, Any]):
    """The policy that SDK clients get as `retry_policy`.

    An operation's option `repeatable=True` marks a POST or PATCH that does no harm a second time. `repeatable=False`
    marks a PUT that does, such as a secret's: each one makes a version.

    Args:
        source: Returns the policy in force, at each request: the component registry's numbers are read late.
        clock: Measures and waits.
        place: What the requests are for. The error of a failed request names it.
    """

    def __init__(self, source: PolicySource, *, clock: Clock, place: Place | None = None) -> None:
        super().__init__()
        self._source = source
        self._clock = clock
        self._place = place

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on, as often as the policy allows.

        Raises the azure.core exception of the last attempt. It is SdkAnswerLost if the server may have carried out a
        request that must not be repeated.
        """
        options = request.context.options
        mark(request.http_request, self._place)
        # azure.storage.blob's response handlers read this from the answer: its own retry policy would write it there.
        location = options.pop("location_mode", None)
        streamed = options.get("stream")
        response: PipelineResponse[Any, Any] = _send(
            lambda: self.next.send(request),
            http_response=lambda answer: answer.http_response,
            request=request.http_request,
            options=options,
            attempts=_attempts(self._source, request.http_request, options, self._clock),
        )
        if streamed is None:
            del options["stream"]
        else:
            options["stream"] = streamed
        if location is not None:
            response.http_response.location_mode = location
        _refuse_page(request.http_request, response.http_response)
        return response


class RetryingTransport(HttpTransport[Any, Any]):
    """The same for azure-data-tables 12.7.0, which builds a retry policy of its own and accepts no other.

    Its own policy retries nothing (`retry_total=0`). This transport retries each request that comes through it.
    """

    def __init__(
        self, transport: HttpTransport[Any, Any], source: PolicySource, *, clock: Clock, place: Place | None = None
    ) -> None:
        self._transport = transport
        self._source = source
        self._clock = clock
        self._place = place

    def send(self, request: Any, **options: Any) -> Any:
        """Send the request, as often as the policy allows. Raises the same as SdkRetryPolicy.send."""
        mark(request, self._place)
        attempts = _attempts(self._source, request, options, self._clock)
        return _send(
            lambda: self._transport.send(request, **options),
            http_response=lambda answer: answer,
            request=request,
            options=options,
            attempts=attempts,
        )

    def open(self) -> None:
        """Open the transport below."""
        self._transport.open()

    def close(self) -> None:
        """Close the transport below."""
        self._transport.close()

    def __exit__(self, *_: object) -> None:
        """Close the transport below."""
        self.close()


def _attempts(source: PolicySource, request: Any, options: MutableMapping[str, Any], clock: Clock) -> Attempts:
    for name in _RETRY_OPTIONS:
        options.pop(name, None)
    repeatable = options.pop("repeatable", None)
    return Attempts(source(), method=request.method, repeatable=repeatable, clock=clock, url=request.url)


def _send(
    send_once: Callable[[], R],
    *,
    http_response: Callable[[R], Any],
    request: Any,
    options: MutableMapping[str, Any],
    attempts: Attempts,
) -> R:
    # Read the body within the attempt: then only this code retries a connection that breaks in the body
    # (azure.storage.blob's downloader has a loop of its own for that). AzureClients limits the size of one answer.
    options["stream"] = False
    body = request.body
    position = body.tell() if hasattr(body, "seek") and hasattr(body, "tell") else None
    while True:
        options["connection_timeout"], options["read_timeout"] = attempts.next_timeouts()
        try:
            with attempts.within_total():
                answer = send_once()
        except ClientAuthenticationError:
            raise  # a credential's error: its own requests were retried already
        except TooLarge as error:
            raise _unreadable(attempts, f"the answer has more than {MAX_CONTENT_BYTES} bytes", error) from error
        except (ServiceRequestError, ServiceResponseError, HttpResponseError) as error:
            if isinstance(error, HttpResponseError) and error.response is not None:
                raise  # the error is about an answer that came
            error.request = request  # type: ignore[union-attr] # for the text of the RunbookError
            decision = attempts.wait_after_failure(_connection_failure(error))
            if decision == GiveUp("unsafe"):
                raise SdkAnswerLost(error.message, error=error) from error
            if isinstance(decision, GiveUp):
                raise
        else:
            response = http_response(answer)
            after = attempts.wait_after_status(response.status_code, response.headers)
            if isinstance(after, GiveUp):
                if after == GiveUp("unsafe"):
                    leave_open(response)
                if _reads_json(request) and _is_too_deep(response.body()):
                    raise _unreadable(attempts, "the answer is nested too deeply")
                return answer
        if position is not None:
            body.seek(position)


def _refuse_page(request: Any, response: Any) -> None:
    """Raise HttpResponseError for an error answer that does not come from the service, such as a gateway's page.

    azure-mgmt-containerregistry 15.0.0 reads every answer as JSON, and would raise JSONDecodeError without the status.
    Only blob storage answers in XML, and its client reads an error with care.
    """
    if response.status_code < 400 or response.status_code in _MAPPED_STATUSES:
        return
    if not _reads_json(request):
        return
    try:
        response.json()
    except (ValueError, RecursionError) as error:
        raise HttpResponseError(response=response) from error


def _reads_json(request: Any) -> bool:
    """Whether the client reads the answer as JSON. All clients do, except blob storage's."""
    return "xml" not in request.headers.get("Accept", "")


def _unreadable(attempts: Attempts, words: str, error: Exception | None = None) -> ServiceResponseError:
    """Return the error for an answer that a retry would not change. The request may have been carried out."""
    return (ServiceResponseError if attempts.repeatable else SdkAnswerLost)(words, error=error)


def _is_too_deep(content: bytes) -> bool:
    """Whether JSON is nested so deeply that the clients that read it would raise RecursionError."""
    if content.count(b"[") + content.count(b"{") < _HARMLESS_BRACKETS:
        return False
    try:
        json.loads(content)
    except RecursionError:
        return True
    except ValueError:
        return False  # not JSON: the clients say so
    return False


def _connection_failure(error: Exception) -> ConnectionFailure:
    """Return what `requests` said. If a body does not come, azure-core says that the request was not sent."""
    if isinstance(os_cause(error), socket.gaierror):
        return "no_such_name"
    cause = getattr(error, "inner_exception", None)
    if isinstance(cause, requests.RequestException):
        return connection_failure(cause)
    return "not_sent" if isinstance(error, ServiceRequestError) else "ambiguous"
