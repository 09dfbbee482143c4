"""Strict JSON, as RFC 8259 defines it. Python's own reader accepts texts that can be understood in two ways."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

# RFC 8259, 6: integers beyond this are not interoperable.
MAX_INTEGER = 2**53 - 1
_MAX_DIGITS = len(f"-{MAX_INTEGER}")


class NotStrictJsonError(ValueError):
    """The text is not JSON, or two readers may understand it differently."""


def loads(text: bytes | str) -> Any:
    """Return the value of a JSON text. The caller must limit its size.

    Raises NotStrictJsonError for invalid UTF-8 or syntax, a duplicate key, half a surrogate pair, NaN or infinity, an
    integer over MAX_INTEGER, or nesting that is too deep for the reader.
    """
    try:
        # A `str` may already hold half a surrogate pair: encoding it finds that.
        decoded = (text.encode() if isinstance(text, str) else text).decode("utf-8")
        value = json.loads(
            decoded, object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_int=_integer, parse_float=_float
        )
        if "\\u" in decoded:  # only an escape can hold half a pair; nobody could write such a text out again
            json.dumps(value, ensure_ascii=False).encode()
    except NotStrictJsonError:
        raise
    except RecursionError as error:
        raise NotStrictJsonError("it is nested too deeply") from error
    except ValueError as error:
        raise NotStrictJsonError(str(error)) from error
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictJsonError("an object has the same key twice")
    return result


def _refuse(name: str) -> NoReturn:
    raise NotStrictJsonError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or abs(int(digits)) > MAX_INTEGER:
        raise NotStrictJsonError("an integer is out of range")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotStrictJsonError("a number is out of range")
    return value


def member(value: object, *names: str) -> object:
    """Return the member that a path of names leads to in nested JSON objects, None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
