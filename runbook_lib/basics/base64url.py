"""base64url without padding (RFC 7515, 2), as keys, tokens and parameters are written."""

import base64


def encode(content: bytes) -> str:
    """Return the text of some bytes."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of a text. Raises ValueError if it is none: Python's own decoder drops what it does not know.

    What is no canonical text of these bytes, with + and / or with loose bits at its end, is taken too.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
