"""SHA-256 digests as texts, `sha256:HEX` (OCI image specification, descriptor.md, Digests)."""

import hashlib
import re

DIGEST = r"sha256:[a-f0-9]{64}"
_FORM = re.compile(DIGEST)
_PREFIX = "sha256:"


def digest_of(content: bytes) -> str:
    """Return the digest of `content`."""
    return digest_from_hex(hashlib.sha256(content).hexdigest())


def digest_from_hex(sha256: str) -> str:
    """Return the digest whose hexadecimal digits are `sha256`."""
    return _PREFIX + sha256


def hex_of(digest: str) -> str:
    """Return the hexadecimal digits of a digest."""
    return digest.removeprefix(_PREFIX)


def is_digest(text: str) -> bool:
    """Return whether the whole `text` is a digest, in small letters."""
    return _FORM.fullmatch(text) is not None
