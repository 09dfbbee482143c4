"""What stands before an application that instances call: whoever has not signed a request does not get past it.

A request is answered alike whatever is wrong with its signature; why it is refused goes to the publisher's own log.
An outage of the publisher's own is 503, with the time after which to try again: neither a refusal nor a pass.
publisher/callback_api/wsgi_asgi.py fits it to WSGI and ASGI.
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
# The fields that count; whatever else a request carries is not looked at.
FIELDS = ("content-type", "content-digest", "signature-input", "signature")
_SIGNATURE_FIELDS = frozenset({"signature-input", "signature"})

# Takes one event: names and values that the publisher may keep.
Log: TypeAlias = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: a status, and a JSON object."""

    status: int
    document: Mapping[str, object]
    headers: tuple[tuple[str, str], ...] = field(default=())

    @property
    def body(self) -> bytes:
        """The document's one JSON text."""
        return json.dumps(self.document, sort_keys=True).encode() + b"\n"

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """What every answer has, and what is this one's own. `Date` is the server's to add."""
        return [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            *self.headers,
        ]


# RFC 9110, 11.6.1 wants a challenge; there is no registered one for HTTP message signatures.
REFUSED = Answer(401, {"accepted": False, "error": "unauthorized"}, (("WWW-Authenticate", f'Signature realm="{TAG}"'),))
TOO_LARGE = Answer(413, {"accepted": False, "error": "too large"}, (("Connection", "close"),))
LENGTH_REQUIRED = Answer(411, {"accepted": False, "error": "length required"}, (("Connection", "close"),))
UNAVAILABLE = Answer(503, {"accepted": False, "error": "unavailable"}, (("Retry-After", str(RETRY_AFTER_SECONDS)),))


class CallbackGate:
    """Verifies each request, and answers what is not to pass; for use by many threads.

    Parameters: address, under which instances know the application, as https://host[:port][/path]; keys; nonces; log,
    takes an event for each request that does not pass; clock.
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
        """Return who signed a request, or the answer to it.

        Parameters: as they came, nothing decoded: host, the field Host; query, with its question mark if it has any;
        fields, those of FIELDS.
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
    """Refuse what costs nothing to refuse, before anything is parsed. Raises SignatureRefusedError."""
    if any(len(value) > MAX_FIELD_CHARACTERS for _, value in fields):
        raise SignatureRefusedError("malformed")
    if not {name.lower() for name, _ in fields} >= _SIGNATURE_FIELDS:
        raise SignatureRefusedError("missing")
