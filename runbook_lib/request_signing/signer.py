"""Sign a request to the publisher: the closed profile of HTTP message signatures (docs/design.md#log-lock-callbacks).

What is covered, in which order, and which parameters there are is fixed, and so is the algorithm, hmac-sha256: nothing
is negotiated. runbook_lib.request_signing.verifier is the other side.
"""

from dataclasses import dataclass, field

from runbook_lib.request_signing.message import (
    SignatureParameters,
    byte_sequence,
    content_digest,
    mac,
    message,
    signature_base,
)

COVERED = ("@method", "@authority", "@path", "@query", "content-digest", "content-type")
TAG = "vibedata-callback-v1"
LABEL = "vibedata"
# How long a signature is good for, and what either clock may be off, in seconds.
LIFE_SECONDS = 60
SKEW_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and its name. key_id: `hmac-` and 16 hexadecimal digits; key: 32 random bytes."""

    key_id: str
    key: bytes = field(repr=False)


def sign(
    *, method: str, url: str, content_type: str, body: bytes, key: SigningKey, created: int, nonce: str
) -> dict[str, str]:
    """Return the fields that a request must carry, by name: what is covered, and the signature.

    Parameters: url, absolute and exactly as it will be sent; created, now, in seconds since 1970; nonce, 16 to 64
    letters, digits, dashes and underscores, never used before with this key. Raises
    runbook_lib.request_signing.message.NotCanonicalError for a request that has no one reading.
    """
    digest = content_digest(body)
    request = message(method=method, url=url, fields={"content-digest": digest, "content-type": content_type})
    parameters = SignatureParameters(
        COVERED,
        {"created": created, "expires": created + LIFE_SECONDS, "nonce": nonce, "keyid": key.key_id, "tag": TAG},
    )
    return {
        "Content-Type": content_type,
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters.serialised()}",
        "Signature": f"{LABEL}={byte_sequence(mac(key.key, signature_base(request, parameters)))}",
    }
