"""Requests that a test signs by the callbacks' profile, and the verifier's result for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from runbook_lib.request_signing import signer as callback_signer
from runbook_lib.request_signing.message import (
    SignatureParameters,
    byte_sequence,
    field_values,
    mac,
    message,
    signature_base,
)
from runbook_lib.request_signing.signer import COVERED, TAG, SigningKey
from runbook_lib.request_signing.verifier import SignatureRefusedError, Verified, verify

NOW = 1_800_000_000
URL = "https://api.vibedata.ai/v1/instances/one/ping"
AUTHORITY = "api.vibedata.ai"
BODY = b'{"a":1}'
KEY = SigningKey("hmac-0123456789abcdef", bytes(range(32)))
NONCE = "abcdefghijklmnopqrstuvwx"


@dataclass
class Keys:
    keys: Mapping[str, bytes]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def find(self, *, path: str, key_id: str) -> bytes | None:
        self.asked.append((path, key_id))
        return self.keys.get(key_id)


@dataclass
class Nonces:
    spent: set[tuple[str, str]] = field(default_factory=set)
    until: float = 0

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:
        self.until = until
        if (key_id, nonce) in self.spent:
            return False
        self.spent.add((key_id, nonce))
        return True


def signed(url: str = URL, **changed: object) -> dict[str, str]:
    wanted = {"method": "POST", "content_type": "application/json", "body": BODY, "key": KEY, "created": NOW}
    return callback_signer.sign(**{"url": url, "nonce": NONCE, **wanted, **changed})  # type: ignore[arg-type]


def by_hand(covered: tuple[str, ...] = COVERED, **changed: str | int | None) -> dict[str, str]:
    """Return fields with a correct signature, even over wrong parameters. A parameter of None is left out."""
    values = {"created": NOW, "expires": NOW + 60, "nonce": NONCE, "keyid": KEY.key_id, "tag": TAG, **changed}
    parameters = SignatureParameters(covered, {name: each for name, each in values.items() if each is not None})
    fields = signed() | {"Date": "now"}
    request = message(method="POST", url=URL, fields=field_values(fields.items()))
    return fields | {
        "Signature-Input": f"x={parameters.serialised()}",
        "Signature": f"x={byte_sequence(mac(KEY.key, signature_base(request, parameters)))}",
    }


def check(
    fields: Mapping[str, str],
    *,
    url: str = URL,
    method: str = "POST",
    body: bytes = BODY,
    now: float = NOW,
    keys: Keys | None = None,
    nonces: Nonces | None = None,
) -> Verified:
    return verify(
        message(method=method, url=url, fields=field_values(fields.items())),
        body,
        authority=AUTHORITY,
        keys=keys or Keys({KEY.key_id: KEY.key}),
        nonces=nonces or Nonces(),
        now=now,
    )


def refusal(fields: Mapping[str, str], **changed: object) -> str:
    """Return why a request is refused. The sender must not see the reason, and no nonce may be spent."""
    nonces = Nonces()
    with pytest.raises(SignatureRefusedError) as refused:
        check(fields, nonces=nonces, **changed)  # type: ignore[arg-type]
    assert str(refused.value) == "the signature is refused"
    assert nonces.spent == set()
    return refused.value.reason
