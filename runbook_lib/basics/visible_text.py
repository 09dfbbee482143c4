"""Text for a terminal or a job's stream. Control characters and invisible characters are shown as escapes."""

# Letters and marks whose category is printable, but which show as nothing: those of Default_Ignorable_Code_Point
# (DerivedCoreProperties of Unicode 15), and the blank of Braille.
_BLANK = frozenset(
    (
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        *range(0x180B, 0x1810),
        0x2800,
        0x3164,
        *range(0xFE00, 0xFE10),
        0xFFA0,
        *range(0xE0100, 0xE01F0),
    )
)


def is_visible(character: str) -> bool:
    """Return whether a character is visible: not a control, not a change of direction, and not blank.

    str.isprintable excludes the categories Other and Separator, except the space (Python's documentation): controls,
    bidirectional controls, tags, surrogates, private use, line separators.
    """
    return character.isprintable() and ord(character) not in _BLANK


def visible(text: str, keep: str = "") -> str:
    r"""Return `text` with an escape (\x1b, \u202e) for each character that is neither visible nor in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each in keep or is_visible(each) else _escape(each) for each in text)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one visible line, cut after `limit` characters with a note. White space becomes one space.

    A remote text must not begin a line of its own: in a list of lines it would look like ours.
    """
    words = visible(" ".join(text.split()))
    return words if len(words) <= limit else words[:limit] + " ... (cut)"


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
