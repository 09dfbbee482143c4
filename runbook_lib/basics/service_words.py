"""Read what a service says in the body of an error. Read as much as possible, and trust nothing.

The documented form is `{"error": {"code", "message", "innererror"}}`. Older services leave `error` out. A body or a
message may itself be a text that holds JSON (docs/azure-facts.md#recorded-answers). The codes of all levels are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

# The maximum number of texts in texts, and of inner errors in inner errors. Key Vault has one level. ARM's guidelines
# give no limit.
MAX_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWords:
    """What a service said.

    Attributes:
        codes: The codes, the outermost first, () for none.
        message: The message on one line, "" for none.
    """

    codes: tuple[str, ...] = ()
    message: str = ""

    def __str__(self) -> str:
        """Return the codes and the message for people."""
        return ": ".join(part for part in (" ".join(self.codes), self.message) if part)


def words_of_body(body: bytes) -> ServiceWords:
    """Return what an error's body says. A body that is not JSON, such as a proxy's page, says nothing."""
    text = body.decode("utf-8-sig", "replace")
    return ServiceWords() if _json(text) is None else words_of_text(text)


def words_of_text(text: str) -> ServiceWords:
    """Return what a text says. A text without an error in JSON is itself the message."""
    codes: list[str] = []
    for _ in range(MAX_DEPTH):
        held = _json(text)
        if held is None:
            break
        if isinstance(held, Mapping):
            error = held.get("error", held)
            found, message = (_codes(error), error.get("message")) if isinstance(error, Mapping) else ([], error)
            if not found and not isinstance(message, str):
                break  # JSON in another form is shown without changes
            codes += found
            held = message if isinstance(message, str) else ""
        text = held
    return ServiceWords(codes=tuple(dict.fromkeys(codes)), message=" ".join(text.split()))


def words_of_error(code: object, message: object) -> ServiceWords:
    """Return what an error says. `code` and `message` are those that an SDK has read: a text, or None."""
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
    """Return the object or the text that JSON holds.

    Return None for any other value, and for a text that is not JSON.
    """
    try:
        held = json.loads(text, parse_int=_no_number)  # reading the value of a long number would take quadratic time
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, (str, dict)) else None


def _no_number(_digits: str) -> None:
    return None
