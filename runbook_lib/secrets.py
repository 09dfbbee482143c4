"""Keep secrets out of everything that leaves the process."""

import base64
import json
import urllib.parse

# A shorter secret would turn up in innocent text, and hiding it would give it away.
MIN_SECRET_LENGTH = 8
MASK = "***"


class Redactor:
    """Knows a run's secrets and masks them, plain or in an encoding that text commonly carries."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def learn(self, secret: str) -> None:
        """Mask `secret` from now on. Raises ValueError for one shorter than MIN_SECRET_LENGTH characters."""
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"a secret shorter than {MIN_SECRET_LENGTH} characters cannot be masked")
        raw = secret.encode()
        self._forms |= {
            secret,
            json.dumps(secret)[1:-1],
            urllib.parse.quote(secret, safe=""),
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
            raw.hex(),
        }

    def redact(self, text: str) -> str:
        """Return `text` with every known secret masked."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text
