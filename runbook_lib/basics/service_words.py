"""What a service says in the body of an error: read as far as it can be read, and believed nothing.

The documented form is `{"error": {"code", "message", "innererror"}}`. Older services leave `error` out, and a body or
a message may itself be a text that holds JSON (docs/azure-facts.md#recorded-answers). Codes are kept wherever they
stand.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

# Texts in texts, and inner errors of inner errors; Key Vault has one, ARM's guidelines name no bound.
MAX_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWords:
    """codes: the outermost first, () for none. message: on one line, "" for none."""

    codes: tuple[str, ...] = ()
    message: str = ""

    def __str__(self) -> str:
        """Return all of it for people."""
        return ": ".join(part for part in (" ".join(self.codes), self.message) if part)


def words_of_body(body: bytes) -> ServiceWords:
    """Return what an error's body says; of one that is no JSON, such as a proxy's page, nothing."""
    text = body.decode("utf-8-sig", "replace")
    return ServiceWords() if _json(text) is None else words_of_text(text)


def words_of_text(text: str) -> ServiceWords:
    """Return what a text says; one that holds no error in JSON is a message itself."""
    codes: list[str] = []
    for _ in range(MAX_DEPTH):
        held = _json(text)
        if held is None:
            break
        if isinstance(held, Mapping):
            error = held.get("error", held)
            found, message = (_codes(error), error.get("message")) if isinstance(error, Mapping) else ([], error)
            if not found and not isinstance(message, str):
                break  # JSON of another form is shown as it is
            codes += found
            held = message if isinstance(message, str) else ""
        text = held
    return ServiceWords(codes=tuple(dict.fromkeys(codes)), message=" ".join(text.split()))


def words_of_error(code: object, message: object) -> ServiceWords:
    """Return what an error says that an SDK has read: None, or a text, for each of both."""
    said = words_of_text(str(message or ""))
    return ServiceWords(codes=(str(code), *said.codes) if code else said.codes, message=said.message)


def _codes(error: Mapping[str, object]) -> list[str]:
    found = []
    each: object = error
    for _ in range(MAX_DEPTH):
        if not isinstance(each, Mapping):
            break
        code = each.get("code")
        found += [code] if isinstance(code, str) and code else []
        each = each.get("innererror")
    return found


def _json(text: str) -> Mapping[str, object] | str | None:
    """Return what a text holds where that is an object or a text, None where it is anything else."""
    try:
        held = json.loads(text, parse_int=_no_number)  # the value of a long one would take quadratic time
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, (str, dict)) else None


def _no_number(_digits: str) -> None:
    return None
