"""Find characters that are invisible, or that look different from what Python reads, by their Unicode properties. Pure.

A person and a program read a text with such a character differently. These characters count:

- control, format and surrogate characters, separators of lines and paragraphs, and every space but U+0020: general
  categories Cc, Cf, Cs, Zl, Zp, Zs (Unicode Standard, 4.5);
- characters that "should not be displayed" by programs that do not know them: property Default_Ignorable_Code_Point,
  which also has code points without a character (DerivedCoreProperties.txt, Unicode 16.0; Python's unicodedata does not
  have this property);
- characters whose glyph is empty in the code charts: blank Braille, blanks of scripts and of music.
"""

import unicodedata

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# Braille pattern blank, Khitan small script filler, musical null notehead, Egyptian hieroglyph full and half blank.
_EMPTY = frozenset({0x2800, 0x16FE4, 0x1D159, 0x13441, 0x13442})


def is_unseen(character: str) -> bool:
    """Return whether a character is invisible, or is a space other than U+0020."""
    if character == " ":
        return False
    code = ord(character)
    return (
        unicodedata.category(character) in _CATEGORIES
        or code in _EMPTY
        or any(first <= code <= last for first, last in _DEFAULT_IGNORABLE)
    )


def first_unseen(text: str, *, allowed: str = "") -> int | None:
    """Return the index of the first unseen character in a text, None if there is none.

    Characters in `allowed` do not count.
    """
    found = {character for character in set(text) - set(allowed) if is_unseen(character)}
    return next((place for place, character in enumerate(text) if character in found), None) if found else None
