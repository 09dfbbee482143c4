"""Measure the time to sign and verify a callback, and compare it with that of a public library in the same run."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import HMAC_SHA256

from bench.figures import Figure
from runbook_lib.request_signing.message import field_values, message
from runbook_lib.request_signing.signer import COVERED, LIFE_SECONDS, TAG, SigningKey, sign
from runbook_lib.request_signing.verifier import verify
from vibedata.progress import WriteLine

AIM = 0.2
ROUNDS, REQUESTS = 15, 400
URL = "https://api.vibedata.ai/v1/instances/2f4cfa0e-6b1d-4c55-9d0c-5a2d1c7c9a10/health"
AUTHORITY = "api.vibedata.ai"
CONTENT_TYPE = "application/json"
# A health summary of some twenty components.
BODY = b"x" * 2048
KEY = SigningKey("hmac-0123456789abcdef", bytes(range(32)))


def measure(report: WriteLine, *, rounds: int = ROUNDS, requests: int = REQUESTS) -> list[Figure]:
    """Sign and verify requests in turns with our code and with the library. The median of the rounds counts."""
    report(f"{rounds} rounds of {requests} requests, signed and verified by each")
    ours, theirs = _Ours(), _Theirs()
    pairs = [(_seconds(ours.once, requests), _seconds(theirs.once, requests)) for _ in range(rounds)]
    our_time, their_time = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(own / other for own, other in pairs)
    each = f"{len(BODY)} bytes of body, digest included; ours also keeps the nonce, in memory"
    return [
        Figure(
            name="sign and verify a callback",
            value=round(our_time * 1e6, 1),
            unit="us",
            aim=None,
            note=f"{1 / our_time:,.0f} a second on one processor; {each}",
        ),
        Figure(
            name="sign and verify, over the time of http-message-signatures",
            value=round(ratio, 3),
            unit="",
            aim=AIM,
            note=f"{1 / ratio:.1f} times as fast; theirs takes {their_time * 1e6:.0f} us",
        ),
    ]


def _seconds(once: Callable[[], None], requests: int) -> float:
    """Return the processor time for one request. So the machine's other load does not count."""
    started = time.process_time()
    for _ in range(requests):
        once()
    return (time.process_time() - started) / requests


class _Ours:
    """Our signer and verifier, with the stores of keys and nonces that the verifier needs."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._spent: set[tuple[str, str]] = set()

    def once(self) -> None:
        now = time.time()
        nonce = f"{next(self._numbers):024d}"
        fields = sign(
            method="POST", url=URL, content_type=CONTENT_TYPE, body=BODY, key=KEY, created=int(now), nonce=nonce
        )
        received = message(method="POST", url=URL, fields=field_values(fields.items()))
        verify(received, BODY, authority=AUTHORITY, keys=self, nonces=self, now=now)

    def find(self, *, path: str, key_id: str) -> bytes | None:  # noqa: ARG002 - there is one key
        return KEY.key if key_id == KEY.key_id else None

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:  # noqa: ARG002 - nothing is forgotten
        fresh = (key_id, nonce) not in self._spent
        self._spent.add((key_id, nonce))
        return fresh


@dataclass
class _Request:
    """A request in the library's form."""

    method: str
    url: str
    headers: dict[str, str]


class _TheirKeys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> bytes:  # noqa: ARG002 - there is one key
        return KEY.key

    resolve_private_key = resolve_public_key


class _Theirs:
    """http-message-signatures with the same profile."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._signer = HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=_TheirKeys())
        self._verifier = HTTPMessageVerifier(signature_algorithm=HMAC_SHA256, key_resolver=_TheirKeys())

    def once(self) -> None:
        now = datetime.now(timezone.utc)
        request = _Request("POST", URL, {"Content-Type": CONTENT_TYPE})
        self._signer.sign(
            request,
            key_id=KEY.key_id,
            created=now,
            expires=now + timedelta(seconds=LIFE_SECONDS),
            nonce=f"{next(self._numbers):024d}",
            tag=TAG,
            include_alg=False,
            covered_component_ids=COVERED,
            body=BODY,
        )
        received = _Request("POST", URL, dict(request.headers))
        self._verifier.verify(received, expect_tag=TAG, require_components=COVERED, body=BODY)
