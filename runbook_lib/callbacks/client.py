"""Send one report to the publisher's callback API, signed, over the run's own session.

A report may be sent any number of times: its id is the Idempotency-Key, and the publisher keeps it once. Each attempt
is signed anew, since a nonce is good for one request. No redirect is followed: the signature is for this address.

Source: docs/design.md#log-lock-callbacks.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runbook_lib.basics import strict_json
from runbook_lib.basics.clock import YEARS, Clock, rfc3339
from runbook_lib.callbacks.payloads import Payload, Ping, to_json
from runbook_lib.errors import ErrorEntry, callbacks
from runbook_lib.network.http import TooLarge, read_capped
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import PolicySource
from runbook_lib.request_signing.signer import SKEW_SECONDS, SigningKey, sign

if TYPE_CHECKING:
    import requests

    from runbook_lib.azure.session import AzureSession

CONTENT_TYPE = "application/json"
# The answer is one small object. A proxy's error page may be longer, but nobody reads it.
MAX_ANSWER_BYTES = 16 * 1024
# The limit for all attempts of one report together. If the publisher does not answer in this time, the report waits.
SEND_SECONDS = 30.0
NONCE_BYTES = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReport:
    """One report. Its `report_id`, a UUID, stays the same however often the report is sent."""

    report_id: str
    payload: Payload


class CallbackClient:
    """Sends reports to the publisher's callback API, whose base address is `publisher_api`."""

    def __init__(
        self,
        *,
        publisher_api: str,
        session: "requests.Session",
        retry_policy: PolicySource,
        clock: Clock,
    ) -> None:
        self._publisher_api = publisher_api
        self._session = session
        self._retry_policy = retry_policy
        self._clock = clock

    def ping(self, instance_id: str, key: SigningKey, *, report_id: str) -> None:
        """Send a signed ping. Raises as `send` does."""
        payload = Ping(instance_id=instance_id, at=rfc3339(self._clock.now()))
        self.send(CallbackReport(report_id=report_id, payload=payload), key)

    def send(self, report: CallbackReport, key: SigningKey) -> None:
        """Send `report`, signed with `key`. When this returns, the publisher has accepted it.

        Raises RunbookError VD-CALLBACK-020 (no answer, or none that helps), -021 (refused, and the clocks differ), -022
        (the signature is refused), -023 (the answer is not the API's), -024 (the report is refused), and
        PayloadRefusedError.
        """
        payload = report.payload
        url = f"{self._publisher_api}/v1/instances/{payload.instance_id}/{payload.kind}"
        answer, body = self._post(url, report.report_id, to_json(payload), key)
        problem = _problem(answer.status_code, body, key.key_id)
        if problem is callbacks.SIGNATURE_REFUSED and (off := _clocks_off(answer.headers, self._clock.now())):
            raise callbacks.SIGNATURE_REFUSED_CLOCKS_DIFFER.error(off, target=_host(url))
        if problem is callbacks.SIGNATURE_REFUSED:
            raise problem.error(f"key {key.key_id}, POST {urlsplit(url).path}", target=_host(url))
        if problem is not None:
            raise problem.error(f"status {answer.status_code} for POST {urlsplit(url).path}", target=_host(url))

    def _post(self, url: str, report_id: str, body: bytes, key: SigningKey) -> "tuple[requests.Response, bytes | None]":
        """Return the answer and its body, None for one that is too large."""
        import requests

        def signed(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
            # `requests` calls this for each attempt, with the final request.
            headers = sign(
                method=str(request.method),
                url=str(request.url),
                content_type=CONTENT_TYPE,
                body=body,
                key=key,
                created=int(self._clock.now().timestamp()),
                nonce=secrets.token_urlsafe(NONCE_BYTES),
            )
            request.headers.update(headers)
            return request

        policy = self._retry_policy()
        try:
            answer = send(
                self._session,
                "POST",
                url,
                policy=replace(policy, total_seconds=min(policy.total_seconds, SEND_SECONDS)),
                clock=self._clock,
                repeatable=True,
                data=body,
                headers={"Idempotency-Key": report_id},
                auth=signed,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return answer, read_capped(answer, MAX_ANSWER_BYTES)
        except TooLarge:
            return answer, None
        except requests.RequestException as error:
            raise callbacks.NO_ANSWER.error(type(error).__name__, target=_host(url)) from error


def callback_client(context: "AzureSession") -> CallbackClient:
    """Return the client of a run."""
    return CallbackClient(
        publisher_api=context.settings.publisher_api,
        session=context.clients.session,
        retry_policy=context.retry_policy,
        clock=context.clock,
    )


def _problem(status: int, body: bytes | None, key_id: str) -> ErrorEntry | None:
    """Return the error for an answer, None if the answer is good. `body` is None if it was too large."""
    if status == 200:
        return None if body is not None and _is_acceptance(body, key_id) else callbacks.NOT_THE_CALLBACK_API
    if status == 401:
        return callbacks.SIGNATURE_REFUSED
    if status in (408, 429) or status >= 500:
        return callbacks.NO_ANSWER
    return callbacks.REPORT_NOT_TAKEN if status >= 400 else callbacks.NOT_THE_CALLBACK_API


def _is_acceptance(body: bytes, key_id: str) -> bool:
    try:
        answer = strict_json.loads(body)
    except strict_json.NotStrictJsonError:
        return False
    return isinstance(answer, dict) and answer.get("accepted") is True and answer.get("key_id") == key_id


def _clocks_off(headers: Mapping[str, str], now: datetime) -> str:
    """Return both times if they differ by more than the API allows, else "". `headers` are the answer's."""
    try:
        theirs = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):  # TypeError: Python 3.10 raises it for a text that is not a date
        return ""
    if theirs.year not in YEARS:
        return ""
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=timezone.utc)
    seconds = (now - theirs).total_seconds()
    if abs(seconds) <= SKEW_SECONDS:
        return ""
    where = "ahead" if seconds > 0 else "behind"
    return f"it is {rfc3339(now)} here and {rfc3339(theirs)} there: ours is {abs(seconds):.0f} s {where}"


def _host(url: str) -> str:
    return urlsplit(url).netloc
