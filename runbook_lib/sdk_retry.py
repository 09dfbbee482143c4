"""The network retry policy as a step of the Azure SDKs' pipelines, in place of their own."""

from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy

from runbook_lib.clock import Clock
from runbook_lib.retry import Attempt, PolicySource, retry_after_seconds, seconds_to_wait

# What the SDKs' own retry policies take out of a request's options, so that it does not reach the transport
# (azure.core.pipeline.policies.RetryPolicy, azure.storage.blob._shared.policies.StorageRetryPolicy, at the locked
# versions).
_RETRY_OPTIONS = (
    "retry_total",
    "retry_connect",
    "retry_read",
    "retry_status",
    "retry_backoff_factor",
    "retry_backoff_max",
    "retry_on_methods",
    "retry_to_secondary",
    "retry_hook",
    "location_mode",
    "hosts",
    "timeout",
)


class SdkRetryPolicy(HTTPPolicy[Any, Any]):
    """Passed as `retry_policy` to every SDK client. `source` is asked at each request: the numbers may arrive late."""

    def __init__(self, source: PolicySource, *, clock: Clock) -> None:
        super().__init__()
        self._source = source
        self._clock = clock

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on, again where the policy says so. Raises the last attempt's AzureError."""
        for option in _RETRY_OPTIONS:
            request.context.options.pop(option, None)
        body = request.http_request.body
        position = body.tell() if hasattr(body, "seek") and hasattr(body, "tell") else None
        started = self._clock.monotonic()
        number = 0
        while True:
            number += 1
            response: PipelineResponse[Any, Any] | None = None
            error: AzureError | None = None
            try:
                response = self.next.send(request)
            except ClientAuthenticationError:
                raise
            except (ServiceRequestError, ServiceResponseError) as caught:
                error = caught
            wait = seconds_to_wait(
                self._source(),
                Attempt(
                    number=number,
                    method=request.http_request.method,
                    elapsed=self._clock.monotonic() - started,
                    status=None if response is None else response.http_response.status_code,
                    retry_after=None
                    if response is None
                    else retry_after_seconds(response.http_response.headers.get("Retry-After"), self._clock.now()),
                    failure=None if error is None else _kind_of(error),
                ),
            )
            if wait is None:
                if response is None:
                    assert error is not None  # noqa: S101 - one of the two is there
                    raise error
                return response
            self._clock.sleep(wait)
            if position is not None:
                body.seek(position)


def _kind_of(error: AzureError) -> Any:
    """azure-core raises ServiceRequestError where no connection came about, ServiceResponseError where an answer was
    lost.
    """
    return "not_sent" if isinstance(error, ServiceRequestError) else "ambiguous"
