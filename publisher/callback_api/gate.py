"""The gate before an application that instances call. Only signed requests pass it.

The answer is the same for every bad signature, and the reason goes to the publisher's own log. During an outage of the
publisher the gate neither refuses nor accepts: it answers 503 with the time after which to try again.
publisher/callback_api/wsgi_asgi.py adapts it to WSGI and ASGI.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from runbook_lib.basics.clock import Clock
from runbook_lib.callbacks.payloads import MAX_PAYLOAD_BYTES
from runbook_lib.request_signing.fields import MAX_FIELD_CHARACTERS
from runbook_lib.request_signing.message import NotCanonicalError, field_values, normal_authority, received_message
from runbook_lib.request_signing.signer import TAG
from runbook_lib.request_signing.verifier import (
    KeySource,
    NonceStore,
    SignatureRefusedError,
    UnavailableError,
    Verified,
    verify,
)

MAX_BODY_BYTES = MAX_PAYLOAD_BYTES
RETRY_AFTER_SECONDS = 5
# The fields that count. All other fields of a request are ignored.
FIELDS = ("content-type", "content-digest", "signature-input", "signature")
_SIGNATURE_FIELDS = frozenset({"signature-input", "signature"})

# A function that takes one event: names and values that the publisher may keep.
Log: TypeAlias = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: a status, and a JSON object."""

    status: int
    document: Mapping[str, object]
    headers: tuple[tuple[str, str], ...] = field(default=())

    @property
    def body(self) -> bytes:
        """Return the answer's document as JSON text. The same document always gives the same text."""
        return json.dumps(self.document, sort_keys=True).encode() + b"\n"

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers of every answer, and the additional headers of this answer. The server adds `Date`."""
        return [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            *self.headers,
        ]


# RFC 9110, 11.6.1 demands a challenge. None is registered for HTTP message signatures.
REFUSED = Answer(401, {"accepted": False, "error": "unauthorized"}, (("WWW-Authenticate", f'Signature realm="{TAG}"'),))
TOO_LARGE = Answer(413, {"accepted": False, "error": "too large"}, (("Connection", "close"),))
LENGTH_REQUIRED = Answer(411, {"accepted": False, "error": "length required"}, (("Connection", "close"),))
UNAVAILABLE = Answer(503, {"accepted": False, "error": "unavailable"}, (("Retry-After", str(RETRY_AFTER_SECONDS)),))


class CallbackGate:
    """Verifies each request, and answers a request that does not pass. Many threads may use it.

    `address` is the application's address for instances, https://host[:port][/path]. `log` gets an event for each
    request that does not pass.
    """

    def __init__(self, *, address: str, keys: KeySource, nonces: NonceStore, log: Log, clock: Clock) -> None:
        parts = urlsplit(address)
        self._scheme = parts.scheme
        self._authority = normal_authority(parts.scheme, parts.netloc)
        self._keys = keys
        self._nonces = nonces
        self._log = log
        self._clock = clock

    def check(
        self, *, method: str, host: str, path: str, query: str, fields: Iterable[tuple[str, str]], body: bytes
    ) -> Verified | Answer:
        """Return the verified signer of a request, or the answer that refuses the request.

        Args:
            method: The method of the request.
            host: The field Host.
            path: The path as it came, not decoded.
            query: The query as it came, not decoded, with its question mark; "" if there is none.
            fields: The fields that FIELDS names, as they came.
            body: The bytes of the body.
        """
        try:
            fields = list(fields)
            _check_there(fields)
            try:
                request = received_message(
                    method=method,
                    scheme=self._scheme,
                    authority=host,
                    path=path,
                    query=query,
                    fields=field_values(fields),
                )
            except NotCanonicalError:
                raise SignatureRefusedError("malformed") from None
            return verify(
                request,
                body,
                authority=self._authority,
                keys=self._keys,
                nonces=self._nonces,
                now=self._clock.now().timestamp(),
            )
        except SignatureRefusedError as error:
            self._log({"event": "refused", "reason": error.reason, "method": method[:20], "path": path[:200]})
            return REFUSED
        except UnavailableError as error:
            self._log({"event": "unavailable", "what": str(error), "path": path[:200]})
            return UNAVAILABLE


def _check_there(fields: list[tuple[str, str]]) -> None:
    """Refuse a request that lacks a field, before anything is parsed. Raises SignatureRefusedError."""
    if any(len(value) > MAX_FIELD_CHARACTERS for _, value in fields):
        raise SignatureRefusedError("malformed")
    if not {name.lower() for name, _ in fields} >= _SIGNATURE_FIELDS:
        raise SignatureRefusedError("missing")
