"""Header fields of an answer, read by their grammar. Pure; every pattern takes time in proportion to the text.

RFC 9110 section 5.6 (tokens, quoted strings), section 8.3 (media types); RFC 8288 section 3 (links). What is optional
may be absent, what has no case is compared without it.
"""

import re
from dataclasses import dataclass

# A number of more digits is as good as this one: no size that is compared with it is larger.
_MAX_DIGITS = 18

_BLANKS = r"[ \t\r\n]*"
_TARGET = re.compile(rf"{_BLANKS}<([^<>]*)>")
# RFC 8288 appendix B.3: an empty parameter, one without a value, and blanks around the signs are taken.
_PARAMETER = re.compile(
    rf"{_BLANKS};{_BLANKS}"
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]*)"
    rf'(?:{_BLANKS}={_BLANKS}(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^;,"]*)))?',
    re.DOTALL,
)
_END = re.compile(rf"{_BLANKS}(?:,[ \t\r\n,]*|$)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class NotAFieldError(ValueError):
    """The value is not of its field's grammar."""


@dataclass(frozen=True, slots=True)
class Link:
    """target: as it stands there, maybe relative. relations: in small letters."""

    target: str
    relations: frozenset[str]


def media_type(value: str) -> str:
    """Return the media type of a Content-Type, in small letters and without parameters."""
    return value.partition(";")[0].strip().lower()


def number(value: str) -> int | None:
    """Return a count of bytes as Content-Length has it, None where the value is none."""
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def links(value: str) -> tuple[Link, ...]:
    """Return the links of a Link field about the answer itself. Raises NotAFieldError.

    One with an `anchor` is about something else (RFC 8288 section 3.2), and left out. Of several `rel` of one link the
    first counts (section 3.3).
    """
    found: list[Link] = []
    position = len(value) - len(value.lstrip(" \t\r\n,"))
    while position < len(value):
        target = _TARGET.match(value, position)
        if target is None:
            raise NotAFieldError("a link does not begin with an address in angle brackets")
        position = target.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(value, position):
            position = parameter.end()
            quoted = parameter["quoted"]
            text = (parameter["bare"] or "").strip() if quoted is None else _ESCAPE.sub(r"\1", quoted)
            parameters.setdefault(parameter["name"].lower(), text)
        end = _END.match(value, position)
        if end is None:
            raise NotAFieldError("a link's parameters cannot be read")
        position = end.end()
        if "anchor" not in parameters:
            found.append(Link(target[1], frozenset(parameters.get("rel", "").lower().split())))
    return tuple(found)
