"""Read a signature envelope: JWS in flattened JSON, exactly by RFC 7515. Pure. This alone proves nothing.

signature-envelope-jws.md allows only flattened JSON. Base64 must be canonical: otherwise one signature would have many
texts, and a changed text could pass as the signed one.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.basics import base64url
from runbook_lib.errors import trust
from runbook_lib.trust.descriptor import malformed, read_object, refuse_lookalikes, shown

JWS = "application/jose+json"
COSE = "application/cose"
# Three certificates make 3 KiB, and a timestamp adds some 10. notation itself accepts 32 MiB. But a hostile envelope of
# this size already needs 14 MB and a quarter of a second, and a run may try a hundred.
MAX_ENVELOPE_BYTES = 256 * 1024

_STEP = "3.1"
_MEMBERS = ("payload", "protected", "header", "signature")
_CHAIN = "x5c"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope. `signing_input` are the signed bytes. `protected` is a header. `chain` is DER, the leaf first."""

    signing_input: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    protected: Mapping[str, Any]
    signature: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)


def read_envelope(content: bytes, media_type: str) -> Envelope:
    """Return the envelope in `content`. `media_type` is that of its layer in the signature manifest.

    Raises RunbookError VD-TRUST-002 (malformed), -003 (a format that is not read).
    """
    if media_type != JWS:
        which = "COSE" if media_type == COSE else shown(media_type)
        raise trust.SIGNATURE_FORMAT_UNKNOWN.error(f"it is {which}; {JWS} is read (step {_STEP})")
    if len(content) > MAX_ENVELOPE_BYTES:
        raise malformed(f"the envelope has {len(content)} bytes; at most {MAX_ENVELOPE_BYTES} are read", _STEP)
    document = read_object(content, "the envelope", _STEP)
    refuse_lookalikes(document, _MEMBERS, "the envelope", _STEP)
    # RFC 7515, 7.2.2. Further members are ignored: 7.2.1 demands that.
    if "signatures" in document:
        raise malformed("the envelope is in the general serialization", _STEP)
    protected, payload = _text(document, "protected"), _text(document, "payload")
    decoded = {name: _base64url(_text(document, name), name) for name in ("protected", "payload", "signature")}
    signed = read_object(decoded["protected"], "the protected header", _STEP)
    header = document.get("header")
    if not isinstance(header, dict):
        raise malformed("the envelope has no unprotected header, and so no certificates", _STEP)
    # RFC 7515, 4: the header has two parts that may have no name in common.
    if both := header.keys() & signed.keys():
        raise malformed(f"{shown(min(both))} stands in the protected and the unprotected header", _STEP)
    return Envelope(
        signing_input=f"{protected}.{payload}".encode("ascii"),  # base64url, or it would not have been decoded
        payload=decoded["payload"],
        protected=signed,
        signature=decoded["signature"],
        chain=_chain(header),
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise malformed(f"the envelope has no {name}", _STEP)
    return value


def _chain(header: Mapping[str, Any]) -> tuple[bytes, ...]:
    refuse_lookalikes(header, (_CHAIN,), "the unprotected header", _STEP)
    texts = header.get(_CHAIN)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise malformed(f"{_CHAIN} is no list of certificates", _STEP)
    # RFC 7515, 4.1.6: base64, not base64url.
    return tuple(_canonical(text, _BASE64, base64.b64decode, _base64, _CHAIN) for text in texts)


def _base64url(text: str, name: str) -> bytes:
    """Read base64url without padding, line breaks or other characters (RFC 7515, 2)."""
    return _canonical(text, _BASE64URL, base64url.decode, base64url.encode, name)


def _canonical(
    text: str, form: re.Pattern[str], decode: Callable[[str], bytes], encode: Callable[[bytes], str], name: str
) -> bytes:
    """Decode canonical base64. Python's decoders drop unknown characters. So check the form, and encode again."""
    try:
        decoded = decode(text) if form.fullmatch(text) else None
    except ValueError as error:
        raise malformed(f"{name} is not in base64: {error}", _STEP) from error
    if decoded is None or encode(decoded) != text:
        raise malformed(f"{name} is not in canonical base64", _STEP)
    return decoded


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
