"""Sign a request to the publisher: the closed profile of HTTP message signatures (docs/design.md#log-lock-callbacks).

The covered components, their order, the parameters and the algorithm (hmac-sha256) are fixed. Nothing is negotiated.
runbook_lib.request_signing.verifier is the other side.
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
# How long a signature is good, and how wrong either clock may be, in seconds.
LIFE_SECONDS = 60
SKEW_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of 32 random bytes and its name: `hmac-` and 16 hexadecimal digits."""

    key_id: str
    key: bytes = field(repr=False)


def sign(
    *, method: str, url: str, content_type: str, body: bytes, key: SigningKey, created: int, nonce: str
) -> dict[str, str]:
    """Return the covered fields and the signature fields that a request must carry, by name.

    `url` is absolute and exactly as it will be sent. `created` is the present, in seconds since 1970. `nonce` has 16 to
    64 letters, digits, dashes and underscores, and was never used with this key. Raises
    runbook_lib.request_signing.message.NotCanonicalError for a request that can be read in two ways.
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
