"""Read what a container registry says about a failure, to show it to people. Nothing relies on it. Pure.

OCI distribution specification, "Error Codes": `{"errors": [{"code", "message", "detail"}]}`. `message` and `detail` are
optional. Token endpoints also answer in the form of RFC 6749, 5.2, and proxies in forms of their own.
"""

import json
from typing import Any

from runbook_lib.basics.redaction import whole_words

# An error shows at most this number of characters of a container registry's own words, and this number of its errors.
MAX_WORDS = 300
MAX_ERRORS = 5
_MAX_DIGITS = 18


def words(content: bytes) -> str:
    """Return the codes and messages in an error's body, printable and cut, empty if there are none.

    This text is only shown, so it need not be strict JSON: bytes that are not UTF-8, numbers of any size and repeated
    names are accepted. If one of several errors has another form, the others are shown.
    """
    try:
        document = json.loads(content.decode("utf-8-sig", "replace"), parse_int=_integer, parse_float=str)
        told = [text for text in map(_one, _errors(document)) if text][:MAX_ERRORS]
    except (ValueError, RecursionError):
        return ""  # an error of another form (a proxy's page) tells a user nothing
    printable = "".join(character for character in "; ".join(told) if character.isprintable())
    return whole_words(printable, MAX_WORDS)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _errors(document: Any) -> list[Any]:
    if not isinstance(document, dict):
        return []
    errors = document.get("errors", document.get("error"))
    if isinstance(errors, str):
        return [{"code": errors, "message": document.get("error_description")}]
    if errors is None:
        return [document]
    return errors if isinstance(errors, list) else [errors]


def _one(error: Any) -> str:
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    code, message = (value if isinstance(value, str) else "" for value in (error.get("code"), error.get("message")))
    detail = error.get("detail")
    if not message and detail:
        message = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    return ": ".join(part for part in (code, message) if part)
