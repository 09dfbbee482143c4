"""Text for a terminal or a job's stream: what a reader would obey or not see is shown as an escape."""

# Printable by their category, and yet they show as nothing: those letters and marks of Default_Ignorable_Code_Point
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
    """Return whether a character shows as itself: no control, no change of direction, nothing that shows as nothing.

    str.isprintable leaves out the categories Other and Separator, all but the space (Python's documentation): controls,
    bidirectional controls, tags, surrogates, private use, line separators.
    """
    return character.isprintable() and ord(character) not in _BLANK


def visible(text: str, keep: str = "") -> str:
    r"""Return `text` with each character that is not visible as an escape (\x1b, \u202e); those of `keep` stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each in keep or is_visible(each) else _escape(each) for each in text)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one visible line: white space is one space; past `limit` characters it is cut, and says so.

    Nobody else's words begin a line of their own: in a list of lines it would pass for ours.
    """
    words = visible(" ".join(text.split()))
    return words if len(words) <= limit else words[:limit] + " ... (cut)"


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
