"""Header fields of an answer: what is optional may be absent, what has no case is compared without it. Pure."""

# A number of more digits is as good as this one: no size that is compared with it is larger.
_MAX_DIGITS = 18


def media_type(value: str) -> str:
    """Return the media type of a Content-Type, in small letters and without parameters (RFC 9110, 8.3)."""
    return value.partition(";")[0].strip().lower()


def number(value: str) -> int | None:
    """Return a count of bytes as Content-Length has it, None if the value is none."""
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
