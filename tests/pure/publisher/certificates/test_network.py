"""The signed requests to the authority: which ones are sent again, and for how long. A session plays the authority."""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any, cast

import pytest
import requests
from acme import errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy import jwk

from publisher.certificates.account import AccountKey, VaultSignature
from publisher.certificates.network import BoundedNetwork
from publisher.certificates.times import CLAIM_TIME
from runbook_lib.network.retry import NetworkRetryPolicy

DIRECTORY, NONCE, ORDER = (f"https://ca.example/{path}" for path in ("dir", "nonce", "order"))
PROBLEM = "application/problem+json"


class ManualClock:
    """A clock that only waits move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 30, tzinfo=timezone.utc)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def answer(status: int, content_type: str, document: object = None, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = b"<html>" if document is None else json.dumps(document).encode()
    made.headers.update({"Content-Type": content_type, "Replay-Nonce": "bm9uY2U", **headers})
    return made


def problem(status: int, code: str, **headers: str) -> requests.Response:
    return answer(status, PROBLEM, {"type": f"urn:ietf:params:acme:error:{code}", "detail": "no"}, **headers)


class Authority:
    """Answers each POST with the next of `played`, and then with the last one again. It keeps what was sent."""

    def __init__(self, *played: Callable[[], requests.Response]) -> None:
        self._played = itertools.chain(played, itertools.repeat(played[-1]))
        self.nonces = itertools.count()
        self.sent: list[Any] = []

    def request(self, method: str, _url: str, *, data: Any = None, **_options: Any) -> requests.Response:
        if method != "POST":
            return answer(200, "text/plain", **{"Replay-Nonce": f"bm9uY2U{next(self.nonces):05d}"})
        self.sent.append(data)
        return next(self._played)()


def network(authority: Authority, clock: ManualClock) -> BoundedNetwork:
    public = jwk.JWKEC(key=ec.generate_private_key(ec.SECP256R1()).public_key())
    return BoundedNetwork(
        directory=DIRECTORY,
        key=AccountKey(public=public, signature=VaultSignature(lambda _digest: b"s" * 64)),
        session=cast("requests.Session", authority),
        policy=NetworkRetryPolicy,
        clock=clock,
    )


def post(authority: Authority, clock: ManualClock) -> requests.Response:
    return network(authority, clock).post(ORDER, None, new_nonce_url=NONCE)


GOOD = {"status": "pending"}


@pytest.mark.parametrize(
    "refused",
    [
        partial(problem, 429, "rateLimited", **{"Retry-After": "100000"}),
        partial(problem, 403, "unauthorized"),
        partial(problem, 400, "malformed", **{"Retry-After": "2"}),
    ],
)
def test_a_refusal_that_does_not_pass_soon_goes_to_the_caller_at_once(refused: Callable[[], requests.Response]) -> None:
    authority, clock = Authority(refused), ManualClock()
    with pytest.raises(messages.Error):
        post(authority, clock)
    assert (len(authority.sent), clock.seconds) == (1, 0)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}, {"Retry-After": "30"}])
def test_the_words_of_a_429_that_stays_reach_the_caller(headers: Mapping[str, str]) -> None:
    authority, clock = Authority(partial(problem, 429, "rateLimited", **headers)), ManualClock()
    with pytest.raises(messages.Error) as caught:
        post(authority, clock)
    assert caught.value.code == "rateLimited"
    assert len({*authority.sent}) == len(authority.sent) == 4, "each has another nonce"


@pytest.mark.parametrize(
    "bad",
    [
        lambda: answer(502, "text/html"),
        lambda: answer(429, "text/html"),
        lambda: problem(503, "serverInternal"),
        lambda: problem(429, "rateLimited", **{"Retry-After": "20"}),
    ],
)
def test_after_a_passing_failure_of_a_server_the_request_is_signed_again(bad: Callable[[], requests.Response]) -> None:
    good = partial(answer, 200, "application/json", GOOD)
    authority, clock = Authority(bad, bad, good), ManualClock()
    assert post(authority, clock).json() == GOOD
    assert len({*authority.sent}) == len(authority.sent) == 3, "each has another nonce"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("again", ["0", "2", "100", "100000"])
def test_a_signed_request_ends_before_the_claim_does(status: int, again: str) -> None:
    authority, clock = Authority(lambda: answer(status, "text/html", **{"Retry-After": again})), ManualClock()
    with pytest.raises(errors.ClientError):
        post(authority, clock)
    assert len(authority.sent) <= 4 and clock.seconds < CLAIM_TIME.total_seconds() / 4


def test_a_refused_nonce_is_tried_again_and_not_for_ever() -> None:
    authority, clock = Authority(lambda: problem(400, "badNonce")), ManualClock()
    with pytest.raises(messages.Error):
        post(authority, clock)
    assert len({*authority.sent}) == len(authority.sent) == 6
