"""Read a Link field by its grammar (RFC 8288, 3; RFC 9110, 5.6 for tokens and quoted strings). Pure.

Every pattern takes time in proportion to the text.
"""

import re
from dataclasses import dataclass

_BLANKS = r"[ \t\r\n]*"
_TARGET = re.compile(rf"{_BLANKS}<([^<>]*)>")
# RFC 8288 appendix B.3 allows an empty parameter, a parameter without a value, and blanks around the signs.
_PARAMETER = re.compile(
    rf"{_BLANKS};{_BLANKS}"
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]*)"
    rf'(?:(?:(?<![ \t\r\n]){_BLANKS})?={_BLANKS}(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^;,"]*)))?',
    re.DOTALL,
)
_END = re.compile(rf"{_BLANKS}(?:,[ \t\r\n,]*|$)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class NotAFieldError(ValueError):
    """The value breaks its field's grammar."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link. `target` is unchanged and may be relative. `relations` are in small letters."""

    target: str
    relations: frozenset[str]


def links(value: str) -> tuple[Link, ...]:
    """Return the links of a Link field about the answer itself. Raises NotAFieldError.

    A link with an `anchor` is about something else (RFC 8288, 3.2) and is left out. If a link has several `rel`, the
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
