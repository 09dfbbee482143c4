"""The requests of certbot's ACME client. They have the same bounds, retries and trust as the suite's other requests."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

import requests
from acme import client, messages
from josepy.interfaces import JSONDeSerializable

from publisher.certificates.account import AccountKey
from runbook_lib.azure.clients import USER_AGENT
from runbook_lib.basics.clock import Clock
from runbook_lib.network import requests_retry
from runbook_lib.network.retry import NetworkRetryPolicy, PolicySource

# The client itself repeats a request once after badNonce. An authority with several servers may refuse more often.
NONCE_TRIES = 3


class OtherServerError(ValueError):
    """An address leads to a server that is not the directory's server."""


class BoundedNetwork(client.ClientNetwork):
    """The client's network. It asks only the server that has the directory.

    A request is sent again if its answer is lost. This does no harm. The authority accepts a nonce only once (RFC 8555,
    6.5), so the client signs again with another nonce. The authority may carry out each request twice. A second new
    order is never finalized, so no certificate comes from it.

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

    @property
    def answer_headers(self) -> Mapping[str, str]:
        """The headers of the last answer. The client's errors do not have them."""
        return self._server.answer_headers

    def post(self, url: str, obj: JSONDeSerializable | None, **options: Any) -> requests.Response:
        """Send a signed request. obj: the body, None for POST-as-GET (RFC 8555, 6.3)."""
        for attempt in range(1, NONCE_TRIES + 1):
            try:
                return super().post(url, obj, **options)
            except messages.Error as error:
                if error.code != "badNonce" or attempt == NONCE_TRIES:
                    raise
        raise AssertionError


class _OneServer(requests.Session):
    """A session that sends requests to one server. It has only the methods that the client uses."""

    def __init__(self, directory: str, session: requests.Session, policy: PolicySource, clock: Clock) -> None:
        super().__init__()
        self._origin = urllib.parse.urlsplit(directory)[:2]
        self._session, self._policy, self._clock = session, policy, clock
        self.answer_headers: Mapping[str, str] = {}

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        if urllib.parse.urlsplit(url)[:2] != self._origin:
            raise OtherServerError(url)
        options = {name: value for name, value in options.items() if name in ("headers", "data")}
        policy: NetworkRetryPolicy = self._policy()
        answer = requests_retry.send(
            self._session, method, url, policy=policy, clock=self._clock, repeatable=True, **options
        )
        self.answer_headers = answer.headers
        return answer
