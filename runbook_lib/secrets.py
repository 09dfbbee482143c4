"""Keep secrets out of everything that leaves the process."""

import base64
import json
import re
import threading
import urllib.parse

# A shorter secret would turn up in innocent text, and hiding it would give it away.
MIN_SECRET_LENGTH = 8
MASK = "***"

_ESCAPE = re.compile("%[0-9A-F]{2}")


class Redactor:
    """Knows a run's secrets and masks them, plain or in an encoding that text commonly carries; for many threads."""

    def __init__(self) -> None:
        # Longest first, so that a form that holds another is masked whole. Replaced as a whole: readers need no lock.
        self._forms: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """Mask `secret` from now on. Raises ValueError for one shorter than MIN_SECRET_LENGTH characters."""
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"a secret shorter than {MIN_SECRET_LENGTH} characters cannot be masked")
        with self._lock:
            self._forms = tuple(sorted({*self._forms, *_forms_of(secret)}, key=len, reverse=True))

    def learn_key(self, key: bytes) -> None:
        """Mask a key's bytes from now on, however bytes are written as text. Raises ValueError for a short one."""
        if len(key) < MIN_SECRET_LENGTH:
            raise ValueError(f"a secret shorter than {MIN_SECRET_LENGTH} bytes cannot be masked")
        numbers = json.dumps(list(key))[1:-1]
        forms = {numbers, numbers.replace(" ", ""), repr(key)[2:-1], key.hex(), key.hex().upper(), *_base64_forms(key)}
        quoted = urllib.parse.quote_from_bytes(key, safe="")
        forms |= {quoted, _ESCAPE.sub(lambda escape: escape.group().lower(), quoted)}
        for encoded in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
            forms |= _forms_of(encoded.decode().rstrip("="))
        with self._lock:
            self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return `text` with every known secret masked."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _forms_of(secret: str) -> set[str]:
    """Return how `secret` may stand in a text: as it is, in JSON, a URL, Python's repr, hexadecimal, or base64."""
    raw = secret.encode()
    quoted = {urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)}
    lower = {_ESCAPE.sub(lambda escape: escape.group().lower(), form) for form in quoted}
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *quoted,
        *lower,
        raw.hex(),
        raw.hex().upper(),
        *_base64_forms(raw),
    }


def _base64_forms(raw: bytes) -> set[str]:
    """Return what base64 makes of `raw` inside a longer text, such as `username:password`: one form for each alignment.

    Only whole groups of three bytes encode alike whatever stands before and after them.
    """
    forms = set()
    for skipped in range(3):
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        forms |= {base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()}
    return forms
