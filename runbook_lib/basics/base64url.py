"""base64url without padding (RFC 7515, 2), as keys, tokens and parameters are written."""

import base64


def encode(content: bytes) -> str:
    """Return the text of some bytes."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of a text. Raises ValueError for other characters, which Python's own decoder would drop.

    It also takes texts that are not canonical: with + and /, or with bits at their end that belong to no byte.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
