"""The requests of certbot's ACME client. They have the same bounds, retries and trust as the suite's other requests."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

import requests
from acme import client, errors, messages
from josepy.interfaces import JSONDeSerializable

from publisher.certificates.account import AccountKey
from runbook_lib.azure.clients import USER_AGENT
from runbook_lib.basics.clock import Clock
from runbook_lib.network import requests_retry
from runbook_lib.network.deadline import within
from runbook_lib.network.retry import Attempts, PolicySource, Wait

# The client itself repeats a request once after badNonce. An authority with several servers may refuse more often.
NONCE_TRIES = 3


class OtherServerError(ValueError):
    """An address leads to a server that is not the directory's server."""


class BoundedNetwork(client.ClientNetwork):
    """The client's network. It asks only the server that has the directory.

    - A request is sent again if its answer is lost. This does no harm. The authority accepts a nonce only once (RFC
      8555, 6.5), so the client signs again with another nonce. The authority may carry out each request twice. A second
      new order is never finalized, so no certificate comes from it.
    - A signed request that was answered is never sent again as it is, because its nonce may be used up. After a passing
      failure of a server, such as 502, or a short 429, it is signed again. The last answer goes to the caller with the
      authority's words. If it is 429, the caller records until when the authority takes no order.
    - No try of a signed request begins after the policy's total time. If the authority asks for a longer wait, the
      request is not tried again.

    Args:
        directory: The address of the authority's directory.
        key: The account's key.
        session: Sends the requests.
        policy: Returns the retry policy of a request.
        clock: Gives the time.

    Raises:
        OtherServerError: An address leads to another server.
    """

    def __init__(
        self, *, directory: str, key: AccountKey, session: requests.Session, policy: PolicySource, clock: Clock
    ) -> None:
        super().__init__(key.public, alg=key.signature, user_agent=USER_AGENT)
        self.session.close()
        self.session = self._server = _OneServer(directory, session, policy, clock)
        self._policy, self._clock = policy, clock

    @property
    def answer_headers(self) -> Mapping[str, str]:
        """The headers of the last answer. The client's errors do not have them."""
        return self._server.answer_headers

    def post(self, url: str, obj: JSONDeSerializable | None, **options: Any) -> requests.Response:
        """Send a signed request. obj: the body, None for POST-as-GET (RFC 8555, 6.3)."""
        policy = self._policy()
        tries = Attempts(policy, method="POST", repeatable=True, clock=self._clock, url=url)
        nonces = 0
        with within(policy.total_seconds):
            while True:
                tries.next_timeouts()
                try:
                    return super().post(url, obj, **options)
                except (messages.Error, errors.ClientError) as error:
                    if isinstance(error, messages.Error) and error.code == "badNonce":
                        nonces += 1
                        if nonces == NONCE_TRIES:
                            raise
                    elif not self._may_pass(tries):
                        raise

    def _may_pass(self, tries: Attempts) -> bool:
        """Wait if the last answer is a passing failure of a server. Return whether it is one, and a try is left."""
        return isinstance(tries.wait_after_status(self._server.answer_status, self.answer_headers), Wait)


class _OneServer(requests.Session):
    """A session that sends requests to one server. It has only the methods that the client uses."""

    def __init__(self, directory: str, session: requests.Session, policy: PolicySource, clock: Clock) -> None:
        super().__init__()
        self._origin = urllib.parse.urlsplit(directory)[:2]
        self._session, self._policy, self._clock = session, policy, clock
        self.answer_status = 0
        self.answer_headers: Mapping[str, str] = {}

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        if urllib.parse.urlsplit(url)[:2] != self._origin:
            raise OtherServerError(url)
        options = {name: value for name, value in options.items() if name in ("headers", "data")}
        answer = requests_retry.send(
            self._session,
            method,
            url,
            policy=self._policy(),
            clock=self._clock,
            repeatable=True,
            repeat_answered=method != "POST",
            **options,
        )
        self.answer_status, self.answer_headers = answer.status_code, answer.headers
        return answer
