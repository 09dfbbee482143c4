"""Zip files that no honest tool writes. Python's zipfile raises many kinds of error for them."""

from collections.abc import Callable, Mapping

# An entry of the central directory (PKWARE's APPNOTE 6.3, 4.3.12).
_ENTRY = b"PK\1\2"
_VERSION_NEEDED, _FLAGS, _NAME = 6, 8, 46
_UTF8_NAME = 0x08


def _first_entry(content: bytes) -> tuple[bytearray, int]:
    return bytearray(content), content.index(_ENTRY)


def of_a_future_version(content: bytes) -> bytes:
    changed, entry = _first_entry(content)
    changed[entry + _VERSION_NEEDED] = 99
    return bytes(changed)


def with_a_name_that_is_no_utf8(content: bytes) -> bytes:
    changed, entry = _first_entry(content)
    changed[entry + _FLAGS + 1] |= _UTF8_NAME
    changed[entry + _NAME] = 0xFF
    return bytes(changed)


def with_broken_data(content: bytes) -> bytes:
    """Change bytes in the middle of the first file's data, behind its local header of 30 bytes and its name."""
    changed, entry = _first_entry(content)
    begin = 30 + int.from_bytes(content[26:28], "little")
    # LZMA's data begins with nine bytes of version and properties. They stay.
    changed[begin + 9 : entry] = b"\xff" * (entry - begin - 9)
    return bytes(changed)


HOSTILE_LISTS: Mapping[str, Callable[[bytes], bytes]] = {
    "of a future version": of_a_future_version,
    "with a name that is no UTF-8": with_a_name_that_is_no_utf8,
    "no zip": lambda _: b"no zip",
}
