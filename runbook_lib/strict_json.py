"""JSON as the RFC means it: Python's own reader takes more than is safe to trust."""

import json
import math
from typing import Any, NoReturn

# Deeper than anything the suite reads, and far from the interpreter's recursion limit.
MAX_DEPTH = 32
# RFC 8259 section 6: integers beyond this are not interoperable.
MAX_INTEGER = 2**53 - 1


class NotStrictJsonError(ValueError):
    """The text is no JSON, or JSON that two readers may understand differently."""


def loads(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises NotStrictJsonError for invalid UTF-8 or syntax, a duplicate key, NaN or infinity, an integer over
    MAX_INTEGER, or nesting deeper than MAX_DEPTH.
    """
    try:
        decoded = text.decode("utf-8", errors="strict") if isinstance(text, bytes) else text
        _check_depth(decoded)
        return json.loads(
            decoded, object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_int=_integer, parse_float=_float
        )
    except NotStrictJsonError:
        raise
    except ValueError as error:
        raise NotStrictJsonError(str(error)) from error


def _check_depth(text: str) -> None:
    """Count brackets outside strings before the recursive reader starts."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotStrictJsonError(f"nested deeper than {MAX_DEPTH} levels")
        elif character in "]}":
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictJsonError("an object has the same key twice")
    return result


def _refuse(name: str) -> NoReturn:
    raise NotStrictJsonError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise NotStrictJsonError("an integer is out of range")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotStrictJsonError("a number is out of range")
    return value
