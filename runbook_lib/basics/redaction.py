"""Keep secrets out of everything that leaves the process."""

import base64
import html
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator

# A shorter secret would also occur in harmless text. Masking it there would give it away.
MIN_SECRET_LENGTH = 8
MASK = "***"
_CUT = " ..."

_ESCAPE = re.compile("%[0-9A-F]{2}")
# The signature of a read link (a shared access signature), plain, in a URL within a URL, or in JSON. Its form is enough
# to mask it: learn.microsoft.com, Create a service SAS.
_LINK_SIGNATURE = re.compile(r"((?:(?<![A-Z])|(?<=%3F))sig(?:=|%3D|%253D|\\u003D))[A-Za-z0-9+/%=_-]+", re.IGNORECASE)
# A line end, plain or as JSON writes it, with the blanks that a folded line begins with. Base64 is often wrapped.
_FOLD = re.compile(r"(?:[\r\n]|\\[rn])[ \t]*")


class Redactor:
    """Knows a run's secrets and masks them, plain or in a usual encoding. Many threads may use it."""

    def __init__(self) -> None:
        # The longest first, so that a form that contains another one is masked whole. `learn` replaces the whole tuple,
        # so readers need no lock.
        self._forms: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """Mask `secret` from now on. Raises ValueError for one shorter than MIN_SECRET_LENGTH characters."""
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"a secret shorter than {MIN_SECRET_LENGTH} characters cannot be masked")
        with self._lock:
            self._forms = tuple(sorted({*self._forms, *_forms_of(secret)}, key=len, reverse=True))

    def learn_key(self, key: bytes) -> None:
        """Mask a key's bytes from now on, in every usual way to write bytes. Raises ValueError for a short key."""
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
        return without_link_signatures(self._redact_folded(text))

    def _redact_folded(self, text: str) -> str:
        """Mask each secret that is split by a line end, together with that line end."""
        folds = list(_FOLD.finditer(text))
        if not folds or not self._forms:
            return text
        begins = [0, *(fold.end() for fold in folds)]
        kept = list(zip(begins, [*(fold.start() for fold in folds), len(text)], strict=True))
        flat = "".join(text[start:end] for start, end in kept)
        found = sorted((at, at + len(form)) for form in self._forms for at in _places(flat, form))
        if not found:
            return text
        place = [at for start, end in kept for at in range(start, end)]
        pieces, done = [], 0
        for start, end in found:
            if place[end - 1] >= done:
                pieces += [text[done : max(place[start], done)], MASK]
                done = place[end - 1] + 1
        return "".join(pieces) + text[done:]


def without_link_signatures(text: str) -> str:
    """Return `text` without the signatures of read links. Nobody has to `learn` these secrets."""
    return _LINK_SIGNATURE.sub(rf"\1{MASK}", text)


def whole_words(text: str, limit: int) -> str:
    """Return the beginning of `text`: whole words, and at most `limit` characters.

    A text that is cut before it is redacted must not be cut within a word: the redactor would not recognize the rest of
    a secret. No secret of the suite has a space in it.
    """
    if len(text) <= limit:
        return text
    kept = text[: max(limit - len(_CUT), 0) + 1]
    return kept[: max(kept.rfind(space) for space in " \n\t") + 1].rstrip() + _CUT


def _places(text: str, form: str) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + len(form))


def _forms_of(secret: str) -> set[str]:
    """Return the forms of `secret` in a text: plain, in JSON, a URL, Python's repr, hexadecimal, or base64."""
    raw = secret.encode(errors="surrogatepass")  # a vault may hold half of a pair
    once = urllib.parse.quote(raw, safe="")
    quoted = {once, urllib.parse.quote_plus(raw), urllib.parse.quote(raw), urllib.parse.quote(once, safe="")}
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    lower = {_ESCAPE.sub(lambda escape: escape.group().lower(), form) for form in quoted}
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        escaped,
        escaped.upper().replace("U", "u"),
        html.escape(secret),
        repr(secret)[1:-1],
        *quoted,
        *lower,
        raw.hex(),
        raw.hex().upper(),
        raw.hex(":"),
        raw.hex(":").upper(),
        json.dumps(list(raw))[1:-1],
        *_base64_forms(raw),
    }


def _base64_forms(raw: bytes) -> set[str]:
    """Return the base64 forms of `raw` within a longer text, such as `username:password`: one for each alignment.

    The neighbours of a whole group of three bytes do not change its form.
    """
    forms = set()
    for skipped in range(3):
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        forms |= {base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()}
    return forms
