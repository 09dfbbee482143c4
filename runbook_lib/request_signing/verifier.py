"""Verify a request from an instance: the other side of runbook_lib.request_signing.signer.

The order of the steps is part of the defence. The cheapest steps come first. Nothing is written for a request with a
wrong signature, so a flood of such requests fills no store. The nonce is used last, so a person who changes the body on
the way does not use it up.

Source: docs/design.md#log-lock-callbacks.
"""

import hmac
import re
from dataclasses import dataclass
from typing import Literal, Protocol

from runbook_lib.request_signing.fields import NotSignatureFieldError, parse_signature, parse_signature_input
from runbook_lib.request_signing.message import (
    Message,
    NotCanonicalError,
    SignatureParameters,
    content_digest,
    mac,
    signature_base,
)
from runbook_lib.request_signing.signer import COVERED, LIFE_SECONDS, SKEW_SECONDS, TAG

# How long a nonce is remembered after its signature has expired, in seconds. A signature is good for SKEW_SECONDS more.
# The clocks of the process that verifies and of the process that forgets may each be wrong by as much.
NONCE_SECONDS = LIFE_SECONDS + 2 * SKEW_SECONDS

_PARAMETERS = frozenset({"created", "expires", "nonce", "keyid", "tag"})
_KEY_ID = re.compile(r"hmac-[0-9a-f]{16}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
# Stands in for a missing key, so that a request with an unknown key id takes the same steps.
_NO_KEY = bytes(32)

# Why a request is refused, for the publisher's own log. The sender is never told.
Reason = Literal[
    "missing",  # a required field is absent
    "malformed",  # a signature field cannot be read
    "profile",  # it can be read, but covers or says something else than the profile demands
    "authority",  # it is signed for another host
    "early",  # created in the future
    "expired",
    "life",  # it would be good for longer than is allowed, or was never good
    "path",  # no instance has such a path: the sender is wrong, or a proxy has rewritten it
    "key",  # there is no such key, or it is no longer accepted
    "signature",  # this key did not sign this request
    "digest",  # the body differs from the signed one
    "replay",  # the nonce has been used
]


class SignatureRefusedError(Exception):
    """The request must not be served. The text never says why. `reason` does, for the publisher's own log."""

    def __init__(self, reason: Reason) -> None:
        super().__init__("the signature is refused")
        self.reason: Reason = reason


class UnavailableError(Exception):
    """A key or a nonce cannot be looked up now: the request is neither accepted nor refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Who signed a request, and with what."""

    key_id: str
    nonce: str
    created: int


class KeySource(Protocol):
    """A store of keys."""

    def find(self, *, path: str, key_id: str) -> bytes | None:
        """Return the key that may sign requests to `path` now, None if there is none.

        Raises SignatureRefusedError (path: it belongs to no instance) and UnavailableError.
        """
        ...


class NonceStore(Protocol):
    """A store of used nonces, for all processes that verify."""

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:
        """Return whether this is the nonce's first use with this key, and remember it at least until `until`.

        `until` is in seconds since 1970. If several ask at once, only one gets True. Raises UnavailableError.
        """
        ...


def verify(
    request: Message, body: bytes, *, authority: str, keys: KeySource, nonces: NonceStore, now: float
) -> Verified:
    """Return who signed a request, only once for each signature.

    `request` is as it was received. `authority` is this service's own, normalised. `now` is in seconds since 1970.
    Raises SignatureRefusedError, UnavailableError.
    """
    # 1. Everything is there and can be read.
    parameters, signature = _signature(request)
    values = parameters.values
    # 2. It fits the profile.
    created, expires, nonce, key_id = values["created"], values["expires"], values["nonce"], values["keyid"]
    if not (
        isinstance(created, int)
        and isinstance(expires, int)
        and isinstance(nonce, str)
        and isinstance(key_id, str)
        and _NONCE.fullmatch(nonce)
        and _KEY_ID.fullmatch(key_id)
        and values["tag"] == TAG
    ):
        raise SignatureRefusedError("profile")
    # 3. It is for this service and for the present.
    if request.authority != authority:
        raise SignatureRefusedError("authority")
    if not 0 < expires - created <= LIFE_SECONDS:
        raise SignatureRefusedError("life")
    if created > now + SKEW_SECONDS:
        raise SignatureRefusedError("early")
    if expires < now - SKEW_SECONDS:
        raise SignatureRefusedError("expired")
    # 4. The signature is right. The steps are the same if there is no such key.
    try:
        base = signature_base(request, parameters)
    except NotCanonicalError:
        raise SignatureRefusedError("missing") from None
    key = keys.find(path=request.path, key_id=key_id)
    right = hmac.compare_digest(mac(_NO_KEY if key is None else key, base), signature)
    if key is None:
        raise SignatureRefusedError("key")
    if not right:
        raise SignatureRefusedError("signature")
    # 5. The body is the signed one.
    if not hmac.compare_digest(content_digest(body), request.fields["content-digest"]):
        raise SignatureRefusedError("digest")
    # 6. The nonce is new.
    if not nonces.spend(key_id=key_id, nonce=nonce, until=max(now, expires) + NONCE_SECONDS):
        raise SignatureRefusedError("replay")
    return Verified(key_id=key_id, nonce=nonce, created=created)


def _signature(request: Message) -> tuple[SignatureParameters, bytes]:
    """Return the parameters and the bytes of a request's only signature. It must have the profile's names."""
    try:
        label, parameters = parse_signature_input(request.fields["signature-input"])
        signature_label, signature = parse_signature(request.fields["signature"])
    except KeyError:
        raise SignatureRefusedError("missing") from None
    except NotSignatureFieldError:
        raise SignatureRefusedError("malformed") from None
    if label != signature_label:
        raise SignatureRefusedError("malformed")
    if parameters.components != COVERED or parameters.values.keys() != _PARAMETERS:
        raise SignatureRefusedError("profile")
    return parameters, signature
